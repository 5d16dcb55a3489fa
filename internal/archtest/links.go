// SPDX-License-Identifier: MIT

package archtest

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode"
)

var (
	markdownLink   = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	inlineCode     = regexp.MustCompile("`[^`]*`")
	externalScheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
)

// CheckLinks finds links in documents to files or headings of the repository that are not there.
func (t *Tree) CheckLinks() ([]Finding, error) {
	var found []Finding
	for _, doc := range t.docs {
		text, err := fs.ReadFile(t.fsys, doc)
		if err != nil {
			return nil, err
		}
		for i, line := range proseLines(string(text)) {
			for _, m := range markdownLink.FindAllStringSubmatch(inlineCode.ReplaceAllString(line, "``"), -1) {
				if why := t.brokenLink(doc, m[1]); why != "" {
					found = append(found, Finding{doc, i + 1, "link to " + m[1] + ": " + why})
				}
			}
		}
	}
	return found, nil
}

// brokenLink says what is missing at the end of a link, or nothing.
func (t *Tree) brokenLink(doc, target string) string {
	if externalScheme.MatchString(target) {
		return ""
	}
	p, anchor, _ := strings.Cut(target, "#")
	if p == "" {
		p = doc
	} else if p = path.Join(path.Dir(doc), p); !fs.ValidPath(p) {
		return "it leaves the repository"
	}
	if _, err := fs.Stat(t.fsys, p); err != nil {
		return "no such file"
	}
	if anchor == "" || path.Ext(p) != ".md" {
		return ""
	}
	text, err := fs.ReadFile(t.fsys, p)
	if err != nil {
		return err.Error()
	}
	for _, line := range proseLines(string(text)) {
		if strings.HasPrefix(line, "#") && headingAnchor(line) == anchor {
			return ""
		}
		if strings.Contains(line, `<a id="`+anchor+`"`) {
			return ""
		}
	}
	return "no such heading"
}

// proseLines returns the lines of a document with those of code blocks emptied.
func proseLines(text string) []string {
	lines := strings.Split(text, "\n")
	code := false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if code || fence {
			lines[i] = ""
		}
		if fence {
			code = !code
		}
	}
	return lines
}

// headingAnchor is the anchor that Git hosts give to a heading.
func headingAnchor(line string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#"))) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}
