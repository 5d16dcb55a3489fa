// SPDX-License-Identifier: MIT

package archtest

import (
	"go/ast"
	"strings"
)

// CheckParsers finds functions named Parse... or parse... that no fuzz target of their package reaches. It follows
// names, so it may believe too much, never too little.
func (t *Tree) CheckParsers() []Finding {
	var found []Finding
	for _, dir := range t.dirs() {
		if strings.HasPrefix(dir, "tools") || dir == "internal/archtest" {
			continue // they read what we wrote ourselves
		}
		functions := map[string][]*ast.FuncDecl{}
		var targets []*ast.FuncDecl
		for _, f := range t.in(dir) {
			for _, decl := range f.ast.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				functions[fn.Name.Name] = append(functions[fn.Name.Name], fn)
				if f.test && strings.HasPrefix(fn.Name.Name, "Fuzz") {
					targets = append(targets, fn)
				}
			}
		}
		reached := reach(targets, functions)
		for _, f := range t.in(dir) {
			for _, decl := range f.ast.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok || f.test || reached[fn.Name.Name] {
					continue
				}
				if name := fn.Name.Name; strings.HasPrefix(name, "Parse") || strings.HasPrefix(name, "parse") {
					found = append(found, t.finding(fn.Pos(), "no fuzz target of the package reaches %s", name))
				}
			}
		}
	}
	return found
}

// reach returns the names that the functions mention, and those that the functions of these names mention, and so on.
func reach(from []*ast.FuncDecl, functions map[string][]*ast.FuncDecl) map[string]bool {
	reached := map[string]bool{}
	for len(from) > 0 {
		fn := from[len(from)-1]
		from = from[:len(from)-1]
		ast.Inspect(fn, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && !reached[id.Name] {
				reached[id.Name] = true
				from = append(from, functions[id.Name]...)
			}
			return true
		})
	}
	return reached
}
