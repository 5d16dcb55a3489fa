// SPDX-License-Identifier: MIT

package archtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// nobody stands in a rule for an empty list.
const nobody = "NONE"

// testsOnly stands in ModuleRule for all test files and nothing else.
const testsOnly = "TESTS"

// An importGraph maps each package that a rule names to all packages that it may import.
type importGraph map[string]map[string]bool

// parseImportRule reads a text of lines "a, b < c, d".
func parseImportRule(text string) (importGraph, error) {
	direct := map[string][]string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		lower, upper, ok := strings.Cut(line, "<")
		if !ok {
			return nil, fmt.Errorf("import rule: no < in %q", line)
		}
		below := slices.DeleteFunc(names(lower), func(name string) bool { return name == nobody })
		for _, name := range below {
			direct[name] = slices.Clip(direct[name]) // it may import nothing so far
		}
		for _, name := range names(upper) {
			direct[name] = append(direct[name], below...)
		}
	}
	g := importGraph{}
	for name := range direct {
		g[name] = map[string]bool{}
		if err := g.close(name, name, direct); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// close adds to g[top] all that is below name.
func (g importGraph) close(top, name string, direct map[string][]string) error {
	for _, below := range direct[name] {
		if below == top {
			return fmt.Errorf("import rule: %s is below itself", top)
		}
		if g[top][below] {
			continue
		}
		g[top][below] = true
		if err := g.close(top, below, direct); err != nil {
			return err
		}
	}
	return nil
}

// names splits a comma-separated list.
func names(list string) []string {
	var out []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// parseOwners reads a text of lines "key: name name ...".
func parseOwners(text string) (map[string][]string, error) {
	owners := map[string][]string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, list, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("rule: no colon in %q", line)
		}
		owners[key] = strings.Fields(list)
	}
	return owners, nil
}

// ruleName is a directory's name in the rules.
func ruleName(dir string) string { return strings.TrimPrefix(dir, "internal/") }

// CheckImports finds imports that ImportRule, TestImportRule and ModuleRule do not allow. Files of other modules
// (tools/) are left out.
func (t *Tree) CheckImports() ([]Finding, error) {
	graph, err := parseImportRule(ImportRule)
	if err != nil {
		return nil, err
	}
	inTests, err := parseOwners(TestImportRule)
	if err != nil {
		return nil, err
	}
	modules, err := parseOwners(ModuleRule)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, f := range t.files {
		if strings.HasPrefix(f.dir, "tools") {
			continue
		}
		name := ruleName(f.dir)
		allowed, named := graph[name]
		if !named && !f.test {
			found = append(found, Finding{f.path, 0, "package " + name + " is not in the import rule: " +
				"a new package needs a decision record and a line in internal/archtest/rules.go"})
			continue
		}
		imports := f.importPaths()
		for _, path := range slices.Sorted(maps.Keys(imports)) {
			target, internal := strings.CutPrefix(path, modulePath+"/")
			target = ruleName(target)
			switch {
			case internal && (allowed[target] || f.test && (target == name || graph.viaTest(name, target, inTests))):
			case internal:
				found = append(found, t.finding(imports[path], "%s may not import %s (rules.go)", name, target))
			default:
				if why := refusedModule(modules, path, name, f.test); why != "" {
					found = append(found, t.finding(imports[path], "%s may not import %s: %s", name, path, why))
				}
			}
		}
	}
	return found, nil
}

// viaTest reports whether a test of package name may import target by an exception.
func (g importGraph) viaTest(name, target string, exceptions map[string][]string) bool {
	for _, extra := range exceptions[name] {
		if target == extra || g[extra][target] {
			return true
		}
	}
	return false
}

// refusedModule says why the package may not import path, or nothing.
func refusedModule(modules map[string][]string, path, name string, test bool) string {
	for _, module := range slices.Sorted(maps.Keys(modules)) {
		standard := !strings.Contains(strings.SplitN(module, "/", 2)[0], ".")
		if path != module && (standard || !strings.HasPrefix(path, module+"/")) {
			continue
		}
		owners := modules[module]
		switch {
		case slices.Contains(owners, name), test && slices.Contains(owners, testsOnly), test && standard:
			return ""
		default:
			return "it belongs to " + strings.Join(owners, ", ")
		}
	}
	if strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
		return "a new module needs a decision record and a line in internal/archtest/rules.go"
	}
	return ""
}
