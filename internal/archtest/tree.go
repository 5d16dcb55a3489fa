// SPDX-License-Identifier: MIT

// Package archtest reads the repository's source and finds what breaks its rules: who may import whom, what the
// deterministic core may not do, how long files and functions may be, what every package and document owes its reader.
// It looks at source text and types only; it changes nothing and runs nothing but `go list`. The rules themselves are
// the texts in rules.go. A Tree belongs to the test that loaded it.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// modulePath is the module's path, the prefix of every import inside it.
const modulePath = "streamer"

// A Finding is one broken rule.
type Finding struct {
	Path string // slash-separated, from the root of the tree
	Line int    // 0: the whole file or package
	Text string // what is wrong and what to do instead
}

// String gives the finding as compilers do.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Text)
}

// A Tree is the repository's Go files, parsed, and its documents.
type Tree struct {
	fsys  fs.FS
	fset  *token.FileSet
	files []*file // in order of their paths
	docs  []string
}

// A file is one Go file.
type file struct {
	path, dir string // dir is "." at the root
	src       []byte
	ast       *ast.File
	test      bool // name ends in _test.go
}

// Load parses every Go file below fsys and lists every Markdown file. Directories named testdata, and hidden ones, are
// left out.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{fsys: fsys, fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); p != "." && (name == "testdata" || strings.HasPrefix(name, ".")) {
				return fs.SkipDir
			}
			return nil
		}
		switch path.Ext(p) {
		case ".md":
			t.docs = append(t.docs, p)
		case ".go":
			return t.add(p)
		}
		return nil
	})
	return t, err
}

func (t *Tree) add(p string) error {
	src, err := fs.ReadFile(t.fsys, p)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(t.fset, p, src, parser.ParseComments)
	if err != nil {
		return err
	}
	t.files = append(t.files, &file{p, path.Dir(p), src, f, strings.HasSuffix(p, "_test.go")})
	return nil
}

// finding makes a Finding at pos.
func (t *Tree) finding(pos token.Pos, format string, args ...any) Finding {
	p := t.fset.Position(pos)
	return Finding{Path: p.Filename, Line: p.Line, Text: fmt.Sprintf(format, args...)}
}

// dirs returns the directories that hold Go files, in order.
func (t *Tree) dirs() []string {
	var dirs []string
	for _, f := range t.files {
		dirs = append(dirs, f.dir)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// in returns the files of one directory.
func (t *Tree) in(dir string) []*file {
	var files []*file
	for _, f := range t.files {
		if f.dir == dir {
			files = append(files, f)
		}
	}
	return files
}

// importPaths returns what f imports, with positions.
func (f *file) importPaths() map[string]token.Pos {
	paths := map[string]token.Pos{}
	for _, spec := range f.ast.Imports {
		paths[strings.Trim(spec.Path.Value, `"`)] = spec.Pos()
	}
	return paths
}
