// SPDX-License-Identifier: MIT

package web_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pageFiles are the files of the page by name; not the description of the API.
func pageFiles(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := fs.WalkDir(os.DirFS("assets"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "openapi.json" {
			return err
		}
		b, err := os.ReadFile(path.Join("assets", name))
		files[name] = string(b)
		return err
	})
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	return files
}

// Texts of strangers never become markup, and nothing comes from elsewhere or runs out of an attribute.
func TestPageIsPlain(t *testing.T) {
	for name, body := range pageFiles(t) {
		for _, bad := range []string{
			"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "style=", "onclick=",
			"onload=", "src=\"http", "href=\"http", "@import", "url(",
		} {
			if strings.Contains(body, bad) {
				t.Errorf("%s contains %q", name, bad)
			}
		}
		if strings.HasSuffix(name, ".js") && !strings.HasPrefix(body, "// SPDX-License-Identifier: MIT\n") {
			t.Errorf("%s lacks its licence line", name)
		}
	}
}

// The whole page, in one language, goes over the wire in little.
func TestPageIsSmall(t *testing.T) {
	const most = 100 << 10
	var sum bytes.Buffer
	for _, body := range pageFiles(t) {
		z, _ := gzip.NewWriterLevel(&sum, gzip.BestCompression)
		_, _ = z.Write([]byte(body)) // into memory
		_ = z.Close()
	}
	if sum.Len() > most {
		t.Errorf("the page has %d bytes zipped, more than %d", sum.Len(), most)
	}
}

// Every language says everything that English says, with the same parts filled in, and the page asks for nothing else.
func TestPageWords(t *testing.T) {
	files := pageFiles(t)
	read := func(name string) map[string]any {
		words := make(map[string]any)
		if err := json.Unmarshal([]byte(files[name]), &words); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return words
	}
	parts := regexp.MustCompile(`\{\w+\}`)
	filled := func(v any) []string {
		b, _ := json.Marshal(v)
		found := parts.FindAllString(string(b), -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	english := read("i18n/en.json")
	for name := range files {
		if !strings.HasPrefix(name, "i18n/") {
			continue
		}
		words := read(name)
		if got, want := slices.Sorted(maps.Keys(words)), slices.Sorted(maps.Keys(english)); !slices.Equal(got, want) {
			t.Errorf("%s has the texts %v, want %v", name, got, want)
		}
		for key, v := range words {
			if got, want := filled(v), filled(english[key]); key != "node_says" && !slices.Equal(got, want) {
				t.Errorf("%s: %s fills in %v, want %v", name, key, got, want)
			}
		}
	}
	asked := regexp.MustCompile(`data-t(?:-\w+)?="(\w+)"|\bt\("(\w+)"`)
	count := 0
	for name, body := range files {
		for _, m := range asked.FindAllStringSubmatch(body, -1) {
			key := m[1] + m[2]
			if _, ok := english[key]; !ok && !strings.HasSuffix(key, "_") {
				t.Errorf("%s asks for the text %q, which is nowhere", name, key)
			}
			count++
		}
	}
	if count < 100 {
		t.Errorf("found %d uses of texts", count)
	}
}
