// SPDX-License-Identifier: MIT

package archtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// A checkedPackage is a package with types, without its tests.
type checkedPackage struct {
	name  string // as in the rules
	files []*file
	info  *types.Info
}

// typeCheck gives types to the packages in dirs. What they import comes from the go command's own export data.
func (t *Tree) typeCheck(dirs []string) ([]*checkedPackage, error) {
	var pkgs []*checkedPackage
	imports := map[string]bool{}
	for _, dir := range dirs {
		p := &checkedPackage{name: ruleName(dir), info: &types.Info{
			Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{},
			Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
		}}
		for _, f := range t.in(dir) {
			if f.test {
				continue
			}
			p.files = append(p.files, f)
			for path := range f.importPaths() {
				imports[path] = true
			}
		}
		pkgs = append(pkgs, p)
	}
	exports, err := exportFiles(slices.Sorted(maps.Keys(imports)))
	if err != nil {
		return nil, err
	}
	conf := types.Config{Importer: importer.ForCompiler(t.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	for _, p := range pkgs {
		var asts []*ast.File
		for _, f := range p.files {
			asts = append(asts, f.ast)
		}
		if _, err := conf.Check(p.name, t.fset, asts, p.info); err != nil {
			return nil, err
		}
	}
	return pkgs, nil
}

// exportFiles asks the go command to compile the packages named; it returns where the export data of each, and of all
// that it imports, lies.
func exportFiles(paths []string) (map[string]string, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	args := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, paths...)
	out, err := exec.CommandContext(context.Background(), "go", args...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, fmt.Errorf("go list: %s", bytes.TrimSpace(exit.Stderr))
		}
		return nil, fmt.Errorf("go list: %w", err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			exports[path] = file
		}
	}
	return exports, nil
}
