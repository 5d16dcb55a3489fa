// SPDX-License-Identifier: MIT

package archtest

import (
	"bytes"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// CheckSizes finds files and functions that are too long to read at once.
func (t *Tree) CheckSizes() []Finding {
	var found []Finding
	for _, f := range t.files {
		if f.test || ast.IsGenerated(f.ast) {
			continue
		}
		if lines := bytes.Count(f.src, []byte("\n")); lines > fileLinesMax {
			found = append(found, t.finding(f.ast.Package, "%d lines, more than %d: look for a seam", lines, fileLinesMax))
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := t.fset.Position(fn.End()).Line - t.fset.Position(fn.Pos()).Line + 1
			if lines > functionLinesMax {
				found = append(found, t.finding(fn.Pos(), "%s has %d lines, more than %d: name its parts",
					fn.Name.Name, lines, functionLinesMax))
			}
		}
	}
	return found
}

// CheckHeads finds files without the licence line and packages without a comment that begins as Go's tools expect.
func (t *Tree) CheckHeads() []Finding {
	var found []Finding
	for _, f := range t.files {
		if first, _, _ := strings.Cut(string(f.src), "\n"); first != licenceLine {
			found = append(found, Finding{f.path, 1, "the first line must be " + licenceLine})
		}
	}
	for _, dir := range t.dirs() {
		files := t.in(dir)
		if !slices.ContainsFunc(files, func(f *file) bool { return hasPackageComment(dir, f) }) {
			found = append(found, Finding{dir, 0, "no package comment: say what it does, what it refuses, who owns its values"})
		}
	}
	return found
}

func hasPackageComment(dir string, f *file) bool {
	want := "Package " + f.ast.Name.Name + " "
	if f.ast.Name.Name == "main" {
		want = "Command " + path.Base(dir) + " "
	}
	return f.ast.Doc != nil && strings.HasPrefix(f.ast.Doc.Text(), want)
}

// CheckPrograms finds binaries beside the ones we ship or generate with, and calls that end the process elsewhere.
func (t *Tree) CheckPrograms() []Finding {
	var found []Finding
	for _, f := range t.files {
		main := slices.Contains(programs, f.dir) || strings.HasPrefix(f.dir, "tools/")
		if f.ast.Name.Name == "main" && !main {
			found = append(found, t.finding(f.ast.Package, "another program: everything is a command of cmd/streamer"))
		}
		if main || f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "os" && (sel.Sel.Name == "Exit" || sel.Sel.Name == "Args") {
				found = append(found, t.finding(n.Pos(), "os.%s belongs to cmd/streamer: return an error", sel.Sel.Name))
			}
			return true
		})
	}
	return found
}
