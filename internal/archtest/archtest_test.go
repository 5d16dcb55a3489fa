// SPDX-License-Identifier: MIT

package archtest_test

import (
	"os"
	"strings"
	"testing"

	"streamer/internal/archtest"
)

// repository loads the tree that this test is part of.
func repository(t *testing.T) *archtest.Tree {
	t.Helper()
	tree, err := archtest.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestRepository(t *testing.T) {
	tree := repository(t)
	for _, check := range checks {
		t.Run(check.name, func(t *testing.T) {
			found, err := check.run(tree)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				t.Error(f)
			}
		})
	}
}

// The document that people read must show the rule that the test enforces.
func TestArchitectureQuotesTheImportRule(t *testing.T) {
	doc, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(archtest.ImportRule) {
		if !strings.Contains(string(doc), line) {
			t.Errorf("docs/architecture.md lacks the line %q", line)
		}
	}
}

// checks are all checks that the package has.
var checks = []struct {
	name string
	run  func(*archtest.Tree) ([]archtest.Finding, error)
}{
	{"imports", (*archtest.Tree).CheckImports},
	{"core", (*archtest.Tree).CheckCore},
	{"links", (*archtest.Tree).CheckLinks},
	{"sizes", sure((*archtest.Tree).CheckSizes)},
	{"heads", sure((*archtest.Tree).CheckHeads)},
	{"programs", sure((*archtest.Tree).CheckPrograms)},
	{"parsers", sure((*archtest.Tree).CheckParsers)},
}

func sure(f func(*archtest.Tree) []archtest.Finding) func(*archtest.Tree) ([]archtest.Finding, error) {
	return func(t *archtest.Tree) ([]archtest.Finding, error) { return f(t), nil }
}
