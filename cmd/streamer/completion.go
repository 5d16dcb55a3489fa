// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"

	"streamer/internal/daemon"
)

//go:embed completion
var completionScripts embed.FS

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run prints what makes a shell complete commands, flags and stations. The first lines say where it belongs.
func (c *completionCmd) Run(p *program) error {
	script, err := completionScripts.ReadFile("completion/" + c.Shell + ".sh")
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(script)
	return err
}

// completeTime is for the running node's answer: somebody waits at the keyboard.
const completeTime = 500 * time.Millisecond

// completeCmd is what the shells ask. It prints what the last word may become, one a line, and no complaint.
type completeCmd struct {
	Words []string `arg:"" optional:"" help:"The words after streamer, as they were typed, up to the cursor."`
	clientFlags
}

// Run completes.
func (c *completeCmd) Run(p *program, g *globalFlags, k *kong.Context) error {
	if len(c.Words) == 0 {
		return nil
	}
	words := make([]string, len(c.Words))
	for i, w := range c.Words {
		words[i] = unquote(w)
	}
	at := completionAt(k.Model.Node, words[:len(words)-1])
	last := words[len(words)-1]
	var list []string
	switch {
	case at.value != nil:
		list = c.values(p, g, at.value)
	case strings.HasPrefix(last, "-"):
		list = flagsOf(at.node)
	case len(at.node.Children) > 0 && at.arguments == 0:
		list = commandsOf(at.node)
	case len(at.node.Positional) > 0:
		list = c.values(p, g, at.node.Positional[min(at.arguments, len(at.node.Positional)-1)])
	}
	for _, s := range list {
		if len(s) >= len(last) && strings.EqualFold(s[:len(last)], last) {
			fmt.Fprintln(p.stdout, s)
		}
	}
	return nil
}

// A completionPlace is where in the command line a word is.
type completionPlace struct {
	node      *kong.Node
	arguments int         // of the command, before the word
	value     *kong.Value // the word is a flag's; nil: it is not
}

// completionAt follows the words before the one to complete.
func completionAt(node *kong.Node, words []string) completionPlace {
	at := completionPlace{node: node}
	onlyArguments := false
	for _, w := range words {
		name, isFlag := strings.CutPrefix(w, "--")
		switch {
		case at.value != nil:
			at.value = nil
		case w == "--":
			onlyArguments = true
		case isFlag && !onlyArguments:
			at.value = valueOf(at.node, name)
		case strings.HasPrefix(w, "-") && w != "-" && !onlyArguments:
		default:
			i := slices.IndexFunc(at.node.Children, func(n *kong.Node) bool { return n.Name == w })
			if i < 0 || at.arguments > 0 {
				at.arguments++
				continue
			}
			at.node = at.node.Children[i]
		}
	}
	return at
}

// valueOf is the flag whose value is the next word; nil when there is none.
func valueOf(node *kong.Node, name string) *kong.Value {
	for _, group := range node.AllFlags(false) {
		for _, f := range group {
			if f.Name == name && !f.IsBool() {
				return f.Value
			}
		}
	}
	return nil
}

func flagsOf(node *kong.Node) (list []string) {
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			list = append(list, "--"+f.Name)
		}
	}
	return list
}

func commandsOf(node *kong.Node) (list []string) {
	for _, n := range node.Children {
		if !n.Hidden {
			list = append(list, n.Name)
		}
	}
	return list
}

// values are what an argument or a flag may be: the tag complete says where they come from. For all others the shell
// offers files.
func (c *completeCmd) values(p *program, g *globalFlags, v *kong.Value) (list []string) {
	if v.Enum != "" {
		return v.EnumSlice()
	}
	source := v.Tag.Get("complete")
	if source == "" {
		return nil
	}
	if store, err := daemon.OpenStore(g.DataDir); err == nil {
		own, _ := store.List() // damaged ones are told by those who use them
		for _, st := range own {
			list = append(list, st.Name)
		}
	}
	if source == "stations" {
		ctx, cancel := context.WithTimeout(p.ctx, completeTime)
		defer cancel()
		client := newClient(c.HTTP, "", g)
		defer client.Close()
		known, _ := client.Stations(ctx) // no node, no names
		for _, s := range known {
			list = append(list, s.Name)
		}
	}
	list = slices.DeleteFunc(list, func(s string) bool { return !fitToComplete(s) })
	slices.Sort(list)
	return slices.Compact(list)
}

// fitToComplete reports whether a name may be put on somebody's command line: strangers choose names of stations. None may
// look like a flag or move the cursor; that the shell takes it for one word is the script's business.
func fitToComplete(name string) bool {
	return name != "" && name[0] != '-' && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// unquote takes the quotes and backslashes off a word as it was typed, which may be unfinished.
func unquote(word string) string {
	var b strings.Builder
	var quote, escaped rune
	for _, r := range word {
		switch {
		case escaped != 0:
			if quote == '"' && !strings.ContainsRune("\"\\$`", r) {
				b.WriteRune('\\')
			}
			b.WriteRune(r)
			escaped = 0
		case r == '\\' && quote != '\'':
			escaped = r
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case r == quote:
			quote = 0
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
