// SPDX-License-Identifier: MIT

package desktop

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// What mimeapps.list says of our links, in the terms of the MIME Applications Associations specification.
const (
	defaultsGroup = "[Default Applications]"
	mimeType      = "x-scheme-handler/" + name
	entryFile     = name + ".desktop"
)

// An association is our line in the user's mimeapps.list, which has many others'.
type association struct{ path string }

// String implements Item.
func (a association) String() string { return "links: " + a.path }

// Install implements Item.
func (a association) Install(dry bool) (changed bool, err error) { return a.edit(dry, associate) }

// Remove implements Item. A list that is empty without our line is removed: it was ours.
func (a association) Remove(dry bool) (changed bool, err error) { return a.edit(dry, dissociate) }

func (a association) edit(dry bool, how func(string) string) (changed bool, err error) {
	b, err := readFile(a.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	before := string(b)
	after := how(before)
	switch {
	case after == before:
		return false, nil
	case dry:
		return true, nil
	case after == "":
		return true, os.Remove(a.path)
	}
	return true, writeFile(a.path, []byte(after))
}

// associate puts our entry before all others for our links. It leaves every other line as it is.
func associate(text string) string {
	lines := splitLines(text)
	at, header := findDefault(lines)
	if at >= 0 {
		key, others := entriesOf(lines[at])
		if len(others) == 0 || others[0] != entryFile {
			others = slices.DeleteFunc(others, func(e string) bool { return e == entryFile })
			lines[at] = writeEntries(key, append([]string{entryFile}, others...))
		}
		return strings.Join(lines, "")
	}
	ours := mimeType + "=" + entryFile + "\n"
	if header >= 0 {
		lines[header] = strings.TrimSuffix(lines[header], "\n") + "\n"
		return strings.Join(slices.Insert(lines, header+1, ours), "")
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + defaultsGroup + "\n" + ours
}

// dissociate takes our entry away wherever it is, and a group of defaults that has nothing else.
func dissociate(text string) string {
	lines := splitLines(text)
	at, header := findDefault(lines)
	if at < 0 {
		return text
	}
	key, others := entriesOf(lines[at])
	if !slices.Contains(others, entryFile) {
		return text
	}
	others = slices.DeleteFunc(others, func(e string) bool { return e == entryFile })
	if len(others) > 0 {
		lines[at] = writeEntries(key, others)
		return strings.Join(lines, "")
	}
	lines = slices.Delete(lines, at, at+1)
	if header == at-1 && (at == len(lines) || strings.HasPrefix(lines[at], "[")) {
		lines = slices.Delete(lines, header, at)
	}
	return strings.Join(lines, "")
}

// findDefault finds the line of our links' default, and the header of its group; -1 for none.
func findDefault(lines []string) (at, header int) {
	at, header = -1, -1
	inside := false
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			if inside = line == defaultsGroup; inside && header < 0 {
				header = i
			}
			continue
		}
		if key, _, ok := strings.Cut(line, "="); ok && inside && strings.TrimSpace(key) == mimeType {
			return i, header
		}
	}
	return -1, header
}

// splitLines keeps the ends of lines, so that joining them is the text again.
func splitLines(text string) []string { return slices.Collect(strings.Lines(text)) }

// entriesOf reads "TYPE=A;B;".
func entriesOf(line string) (key string, entries []string) {
	key, list, _ := strings.Cut(strings.TrimSpace(line), "=")
	for e := range strings.SplitSeq(list, ";") {
		if e = strings.TrimSpace(e); e != "" {
			entries = append(entries, e)
		}
	}
	return strings.TrimSpace(key), entries
}

// writeEntries writes a list of one without a semicolon, as desktops do.
func writeEntries(key string, entries []string) string {
	if len(entries) == 1 {
		return key + "=" + entries[0] + "\n"
	}
	return key + "=" + strings.Join(entries, ";") + ";\n"
}
