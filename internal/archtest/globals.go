// SPDX-License-Identifier: MIT

package archtest

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// coreVariables finds package-level variables that could change: the core allows error sentinels made by errors.New, and
// tables that are unexported, set where they are declared, and never written.
func (t *Tree) coreVariables(p *checkedPackage) []Finding {
	var found []Finding
	globals := map[types.Object]bool{}
	for _, f := range p.files {
		for _, decl := range f.ast.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				spec := spec.(*ast.ValueSpec)
				for i, name := range spec.Names {
					if name.Name == "_" {
						continue
					}
					globals[p.info.Defs[name]] = true
					if why := refusedVariable(p, spec, i); why != "" {
						found = append(found, t.finding(name.Pos(), "package-level variable %s: %s", name.Name, why))
					}
				}
			}
		}
	}
	for _, f := range p.files {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			for _, e := range writes(p, n) {
				if id := root(e); id != nil && globals[p.info.Uses[id]] {
					found = append(found, t.finding(n.Pos(), "package-level variable %s is written or its address taken: "+
						"state belongs to a value that one goroutine owns", id.Name))
				}
			}
			return true
		})
	}
	return found
}

// refusedVariable says why the i-th variable of a declaration could change, or nothing.
func refusedVariable(p *checkedPackage, spec *ast.ValueSpec, i int) string {
	if len(spec.Values) == 0 {
		return "it has no value: it can only be set later"
	}
	if len(spec.Values) == len(spec.Names) && isErrorsNew(p, spec.Values[i]) {
		return ""
	}
	name := spec.Names[i]
	if name.IsExported() {
		return "only error sentinels are exported: others could write it"
	}
	typ := p.info.Defs[name].Type()
	if slices.Contains(coreImmutable, types.TypeString(typ, nil)) || immutable(typ, map[types.Type]bool{}) {
		return ""
	}
	return "its type " + types.TypeString(typ, nil) + " can change behind a pointer: make it a table of plain values"
}

// isErrorsNew reports whether e is a call of errors.New.
func isErrorsNew(p *checkedPackage, e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	fn, ok := p.info.Uses[sel.Sel].(*types.Func)
	return ok && fn.FullName() == "errors.New"
}

// immutable reports whether a value of the type cannot change unless it is written through its own name.
func immutable(typ types.Type, seen map[types.Type]bool) bool {
	if seen[typ] {
		return true
	}
	seen[typ] = true
	if pointer, ok := typ.(*types.Pointer); ok { // a large table, made by a function; an array has no methods
		array, ok := pointer.Elem().(*types.Array)
		return ok && immutable(array, seen)
	}
	switch u := typ.Underlying().(type) {
	case *types.Basic, *types.Signature:
		return true
	case *types.Array:
		return immutable(u.Elem(), seen)
	case *types.Slice:
		return immutable(u.Elem(), seen)
	case *types.Map:
		return immutable(u.Elem(), seen)
	case *types.Struct:
		for field := range u.Fields() {
			if !immutable(field.Type(), seen) {
				return false
			}
		}
		return true
	default: // named pointers, interfaces, channels
		return false
	}
}

// writes returns the expressions that n assigns to, changes in place, or takes the address of.
func writes(p *checkedPackage, n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 {
			if b, ok := p.info.Uses[id].(*types.Builtin); ok &&
				slices.Contains([]string{"append", "clear", "copy", "delete"}, b.Name()) {
				return n.Args[:1]
			}
		}
	case *ast.SelectorExpr: // a method with a pointer receiver takes the address
		if sel := p.info.Selections[n]; sel != nil && sel.Kind() == types.MethodVal {
			_, pointer := sel.Obj().(*types.Func).Signature().Recv().Type().(*types.Pointer)
			if _, already := sel.Recv().Underlying().(*types.Pointer); pointer && !already {
				return []ast.Expr{n.X}
			}
		}
	}
	return nil
}

// root returns the variable that e is a part of, nil when there is none.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
