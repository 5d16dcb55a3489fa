// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// program is the package that the notices are for.
const program = "./cmd/streamer"

// systems are those that the Makefile builds for; each may bring modules of its own.
var systems = []string{"linux", "windows", "darwin"}

// licenceName is how files are called that hold a licence, or a notice that a licence asks for.
var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)([-.].*)?$`)

// A work is a module, or Go itself.
type work struct {
	name, version string // version: empty for Go, which is that of the toolchain
	source        string // where its source is
}

// String is how the notices call it.
func (w work) String() string { return strings.TrimSpace(w.name + " " + w.version) }

// notices returns the text: the repository's own licence, which works the program in the repository root contains, where their source is, and each licence
// once, with the works that it is for.
func notices(root string) ([]byte, error) {
	dirs, err := contained(root)
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "Streamer\n\n%s\n%s\n", own, strings.Repeat("-", 80))
	b.WriteString("The binary contains these works, unmodified. Their source is at the addresses, their licences are below.\n\n")
	byText := map[string][]string{}
	works := slices.SortedFunc(maps.Keys(dirs), func(a, b work) int { return cmp.Compare(a.name, b.name) })
	for _, w := range works {
		fmt.Fprintf(&b, "  %s\n    %s\n", w, w.source)
		texts, err := w.licences(slices.Sorted(maps.Keys(dirs[w])))
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			byText[text] = append(byText[text], w.String())
		}
	}
	order := slices.SortedFunc(maps.Keys(byText), func(a, b string) int {
		return cmp.Or(slices.Compare(byText[a], byText[b]), cmp.Compare(a, b))
	})
	for _, text := range order {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("-", 80), strings.Join(byText[text], "\n"), text)
	}
	return b.Bytes(), nil
}

// contained returns the works in the program, each with the directories where its licences may lie.
func contained(root string) (map[work]map[string]bool, error) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	dirs := map[work]map[string]bool{
		{name: "Go, its runtime and standard library", source: "https://go.dev/dl/"}: {strings.TrimSpace(string(goroot)): true},
	}
	for _, system := range systems {
		cmd := exec.Command("go", "list", "-deps", "-json=Dir,Module", program)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
		var complaints strings.Builder
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w: %s", system, err, complaints.String())
		}
		if err := addPackages(dirs, out); err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

// addPackages adds what go list says of packages: for each work the directories from those of its packages up to its root.
func addPackages(dirs map[work]map[string]bool, list []byte) error {
	for d := json.NewDecoder(bytes.NewReader(list)); ; {
		var p struct {
			Dir    string
			Module *struct {
				Path, Version, Dir string
				Main               bool
				Replace            *struct{ Path string }
			}
		}
		err := d.Decode(&p)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("go list: %w", err)
		case p.Module == nil || p.Module.Main:
			continue
		case p.Module.Replace != nil:
			return fmt.Errorf("%s is replaced: say by hand what it is and where its source is", p.Module.Path)
		}
		w := work{name: p.Module.Path, version: p.Module.Version, source: sourceOf(p.Module.Path, p.Module.Version)}
		if dirs[w] == nil {
			dirs[w] = map[string]bool{}
		}
		for dir := p.Dir; ; dir = filepath.Dir(dir) {
			dirs[w][dir] = true
			if dir == p.Module.Dir || len(dir) <= len(p.Module.Dir) {
				break
			}
		}
	}
}

// sourceOf is where the Go module proxy has a module; it writes upper case as ! and lower case.
func sourceOf(path, version string) string {
	escaped := regexp.MustCompile("[A-Z]").ReplaceAllStringFunc(path, func(s string) string { return "!" + strings.ToLower(s) })
	return "https://proxy.golang.org/" + escaped + "/@v/" + version + ".zip"
}

// licences returns the texts of all licence files in directories of its own.
func (w work) licences(dirs []string) ([]string, error) {
	var texts []string
	for _, dir := range dirs {
		files, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if f.IsDir() || !licenceName.MatchString(f.Name()) || filepath.Ext(f.Name()) == ".go" {
				continue
			}
			b, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				return nil, err
			}
			text := strings.TrimRight(strings.ReplaceAll(string(b), "\r\n", "\n"), " \t\n")
			if text = strings.TrimLeft(text, "\n"); !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s has no licence: nobody may pass it on", w)
	}
	return texts, nil
}
