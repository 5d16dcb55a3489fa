// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"
)

// configBytesMax bounds a configuration file.
const configBytesMax = 1 << 20

// tomlConfig is a configuration file: keys are names of flags, and hold for every command that has the flag; a table named
// like a command holds for that command alone and wins. The command line wins over the environment, that over the file.
type tomlConfig struct {
	path   string // for messages
	values map[string]any
}

// loadTOML reads a configuration file, for kong.
func loadTOML(r io.Reader) (kong.Resolver, error) {
	path := "configuration"
	if f, ok := r.(*os.File); ok {
		path = f.Name()
	}
	b, err := io.ReadAll(io.LimitReader(r, configBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return parseConfig(path, b)
}

func parseConfig(path string, b []byte) (tomlConfig, error) {
	if len(b) > configBytesMax {
		return tomlConfig{}, fmt.Errorf("%s: larger than %d bytes", path, configBytesMax)
	}
	c := tomlConfig{path: path}
	if _, err := toml.Decode(string(b), &c.values); err != nil {
		return tomlConfig{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Validate refuses keys that are no flag: a typing mistake must not be taken for a setting.
func (c tomlConfig) Validate(app *kong.Application) error {
	all := map[string]bool{}
	tables := map[string]map[string]bool{}
	collect(app.Node, all, tables)
	for _, key := range slices.Sorted(maps.Keys(c.values)) {
		table, isTable := c.values[key].(map[string]any)
		switch {
		case !isTable && !all[key]:
			return fmt.Errorf("%s: there is no setting %q; `streamer COMMAND --help` lists those there are", c.path, key)
		case !isTable:
		case tables[key] == nil:
			return fmt.Errorf("%s: there is no command for the table [%s]", c.path, key)
		default:
			for _, name := range slices.Sorted(maps.Keys(table)) {
				if !tables[key][name] {
					return fmt.Errorf("%s: [%s] has no setting %q; `streamer %s --help` lists those there are", c.path, key, name, key)
				}
			}
		}
	}
	return nil
}

// collect notes the flags of a command and of those below it.
func collect(n *kong.Node, all map[string]bool, tables map[string]map[string]bool) {
	for _, flag := range n.Flags {
		all[flag.Name] = flag.Name != "help" && flag.Name != "config"
	}
	for _, child := range n.Children {
		if child.Parent == nil || child.Parent.Type == kong.ApplicationNode {
			tables[child.Name] = map[string]bool{}
			for _, flag := range child.AllFlags(false) {
				for _, f := range flag {
					tables[child.Name][f.Name] = true
				}
			}
		}
		collect(child, all, tables)
	}
}

// Resolve finds the value of a flag that the command line does not give.
func (c tomlConfig) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if slices.ContainsFunc(flag.Envs, func(name string) bool { _, set := os.LookupEnv(name); return set }) {
		return nil, nil
	}
	if node := parent.Node(); node != nil {
		if table, ok := c.values[node.Name].(map[string]any); ok {
			if v, ok := table[flag.Name]; ok {
				return flagValue(v), nil
			}
		}
	}
	v, ok := c.values[flag.Name]
	if _, isTable := v.(map[string]any); !ok || isTable || len(flag.Envs) == 0 {
		return nil, nil // a flag without a variable is its command's own: it may mean something else there
	}
	return flagValue(v), nil
}

// flagValue gives numbers as they are written on a command line.
func flagValue(v any) any {
	switch v := v.(type) {
	case int64, float64:
		return strings.TrimSpace(fmt.Sprint(v))
	default:
		return v
	}
}
