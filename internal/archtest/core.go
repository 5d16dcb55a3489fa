// SPDX-License-Identifier: MIT

package archtest

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// CheckCore finds what would make the core less than a deterministic state machine with one owner: I/O, clocks, global
// randomness, goroutines, channels, map order, floating point outside codec, init functions, variables that change.
func (t *Tree) CheckCore() ([]Finding, error) {
	var dirs []string
	for _, name := range corePackages {
		if len(t.in("internal/"+name)) > 0 {
			dirs = append(dirs, "internal/"+name)
		}
	}
	checked, err := t.typeCheck(dirs)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, p := range checked {
		for _, f := range p.files {
			found = append(found, t.coreImports(f)...)
			found = append(found, t.coreStatements(p, f)...)
		}
		found = append(found, t.coreVariables(p)...)
	}
	return found, nil
}

func (t *Tree) coreImports(f *file) []Finding {
	var found []Finding
	imports := f.importPaths()
	for _, path := range slices.Sorted(maps.Keys(imports)) {
		if strings.Contains(path, ".") || strings.HasPrefix(path, modulePath+"/") {
			continue // CheckImports
		}
		allowed := slices.ContainsFunc(coreImports, func(pattern string) bool {
			prefix, below := strings.CutSuffix(pattern, "...")
			return path == pattern || below && strings.HasPrefix(path, prefix)
		})
		if !allowed || slices.Contains(coreRefusedImports, path) {
			found = append(found, t.finding(imports[path], "the core may not import %s: it only computes", path))
		}
	}
	return found
}

// coreStatements looks at one file of a core package.
func (t *Tree) coreStatements(p *checkedPackage, f *file) []Finding {
	var found []Finding
	refuse := func(n ast.Node, format string, args ...any) {
		found = append(found, t.finding(n.Pos(), format, args...))
	}
	ast.PreorderStack(f.ast, nil, func(n ast.Node, stack []ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			refuse(n, "no goroutines in the core: one goroutine owns a node")
		case *ast.SelectStmt, *ast.SendStmt:
			refuse(n, "no channels in the core: calls go in, Output comes out")
		case *ast.ChanType:
			refuse(n, "no channels in the core: calls go in, Output comes out")
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				refuse(n, "no channels in the core: calls go in, Output comes out")
			}
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				refuse(n, "no init functions: make values in constructors")
			}
		case *ast.RangeStmt:
			if _, ok := underlying(p, n.X).(*types.Map); ok {
				refuse(n, "no range over a map in the core, its order is random: range over slices.Sorted(maps.Keys(m))")
			}
		case *ast.Ident:
			if why := refusedUse(p, n, stack); why != "" {
				refuse(n, "%s", why)
			}
		}
		if e, ok := n.(ast.Expr); ok && p.name != "codec" && isFloat(p, e) {
			refuse(n, "no floating point in the core: processors and compilers differ in the last bit; use integers")
			return false
		}
		return true
	})
	return found
}

// refusedUse says why the core may not use the object that id names, or nothing.
func refusedUse(p *checkedPackage, id *ast.Ident, stack []ast.Node) string {
	switch obj := p.info.Uses[id].(type) {
	case *types.Builtin:
		if obj.Name() == "print" || obj.Name() == "println" {
			return "the core does not print"
		}
	case *types.Func:
		if obj.Pkg() == nil {
			return ""
		}
		method := obj.Signature().Recv() != nil
		pkg, name := obj.Pkg().Path(), obj.Name()
		switch {
		case pkg == "maps" && (name == "Keys" || name == "Values" || name == "All") && !sorted(p, stack):
			return "maps." + name + " has a random order: pass it to slices.Sorted or slices.SortedFunc at once"
		case slices.Contains(coreRefusedCalls[pkg], name) && (!method || strings.HasPrefix(pkg, "crypto/")):
			return "the core may not use " + pkg + "." + name +
				": time is an argument, randomness comes from Config, nothing is printed"
		}
	}
	return ""
}

// sorted reports whether the innermost call in stack is an argument of a call of slices.Sorted...
func sorted(p *checkedPackage, stack []ast.Node) bool {
	calls := 0
	for _, n := range slices.Backward(stack) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			continue
		}
		if calls++; calls == 2 {
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return false
			}
			fn, ok := p.info.Uses[sel.Sel].(*types.Func)
			return ok && fn.Pkg() != nil && fn.Pkg().Path() == "slices" && strings.HasPrefix(fn.Name(), "Sorted")
		}
	}
	return false
}

// underlying returns the underlying type of e, nil when it has none.
func underlying(p *checkedPackage, e ast.Expr) types.Type {
	if tv, ok := p.info.Types[e]; ok && tv.Type != nil {
		return tv.Type.Underlying()
	}
	return nil
}

// isFloat reports whether e is a floating point value or type, untyped constants excepted.
func isFloat(p *checkedPackage, e ast.Expr) bool {
	b, ok := underlying(p, e).(*types.Basic)
	return ok && b.Info()&(types.IsFloat|types.IsComplex) != 0 && b.Info()&types.IsUntyped == 0
}
