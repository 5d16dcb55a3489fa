// SPDX-License-Identifier: MIT

package archtest_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"streamer/internal/archtest"
)

// Every rule is shown a tree that breaks it, and one that does not: want is a part of the one finding, empty for none.
var planted = []struct {
	check, name string
	path, src   string
	want        string
}{
	{"imports", "downwards", "internal/link/a.go", `import "streamer/internal/wire"`, ""},
	{"imports", "all below", "internal/daemon/a.go", `import "streamer/internal/mono"`, ""},
	{"imports", "upwards", "internal/wire/a.go", `import "streamer/internal/link"`, "wire may not import link"},
	{"imports", "sideways", "internal/mesh/a.go", `import "streamer/internal/link"`, "mesh may not import link"},
	{"imports", "codec in the core", "internal/node/a.go", `import "streamer/internal/codec"`, "node may not import codec"},
	{"imports", "the program", "internal/daemon/a.go", `import "streamer/cmd/streamer"`, "may not import cmd/streamer"},
	{"imports", "a new package", "internal/util/a.go", ``, "package util is not in the import rule"},
	{"imports", "its own package in a test", "internal/wire/a_test.go", `import "streamer/internal/wire"`, ""},
	{"imports", "upwards in a test", "internal/wire/a_test.go", `import "streamer/internal/daemon"`, "wire may not import daemon"},
	{"imports", "a module at home", "internal/link/a.go", `import "github.com/flynn/noise"`, ""},
	{"imports", "a module elsewhere", "internal/node/a.go", `import "github.com/flynn/noise"`, "it belongs to link"},
	{"imports", "a module below another", "internal/wire/a.go", `import "golang.org/x/crypto/blake2s"`, ""},
	{"imports", "a new module", "internal/web/a.go", `import "example.org/colours"`, "a new module needs a decision record"},
	{"imports", "a test library in a test", "internal/web/a_test.go", `import "go.uber.org/goleak"`, ""},
	{"imports", "a test library in the product", "internal/web/a.go", `import "go.uber.org/goleak"`, "it belongs to TESTS"},
	{"imports", "logging in the core", "internal/mesh/a.go", `import "log/slog"`, "may not import log/slog"},
	{"imports", "old randomness", "internal/web/a.go", `import "math/rand"`, "may not import math/rand"},
	{"imports", "new randomness", "internal/web/a.go", `import "math/rand/v2"`, ""},

	{"core", "io", "internal/wire/a.go", `import "os"; var _ = os.Args`, "the core may not import os"},
	{"core", "locks", "internal/mesh/a.go", `import "sync"; type m struct{ sync.Mutex }`, "the core may not import sync"},
	{"core", "sockets", "internal/link/a.go", `import "net"; type c = net.Conn`, "the core may not import net"},
	{"core", "addresses", "internal/link/a.go", `import "net/netip"; type a = netip.Addr`, ""},
	{"core", "secrets from the system", "internal/link/a.go", `import "crypto/rand"; var _ = rand.Text()`, "may not import crypto/rand"},
	{"core", "clock", "internal/mono/a.go", `import "time"; func f() { time.Now() }`, "may not use time.Now"},
	{"core", "clock as a value", "internal/mono/a.go", `import "time"; func f() any { return time.Since }`, "may not use time.Since"},
	{"core", "durations", "internal/mono/a.go", `import "time"; const d = time.Second`, ""},
	{"core", "global randomness", "internal/gossip/a.go", `import "math/rand/v2"; func f() { rand.IntN(3) }`, "may not use math/rand/v2.IntN"},
	{"core", "a source given", "internal/gossip/a.go", `import "math/rand/v2"; func f(r *rand.Rand) { r.IntN(3) }`, ""},
	{"core", "a key from nowhere", "internal/link/a.go", `import "crypto/ecdh"; func f() { ecdh.X25519().GenerateKey(nil) }`, "may not use crypto/ecdh.GenerateKey"},
	{"core", "printing", "internal/node/a.go", `func f() { println("x") }`, "does not print"},
	{"core", "goroutine", "internal/node/a.go", `func f() { go f() }`, "no goroutines"},
	{"core", "channel type", "internal/node/a.go", `type c chan int`, "no channels"},
	{"core", "select", "internal/node/a.go", `func f() { select {} }`, "no channels"},
	{"core", "send", "internal/node/a.go", `func f[T interface{ chan int }](c T) { c <- 1 }`, "no channels"},
	{"core", "map range", "internal/reach/a.go", `func f(m map[int]int) { for range m {} }`, "no range over a map"},
	{"core", "range over a named map", "internal/reach/a.go", `type m map[int]int; func f(m m) { for range m {} }`, "no range over a map"},
	{"core", "range over a slice", "internal/reach/a.go", `func f(s []int) { for range s {} }`, ""},
	{"core", "keys in order", "internal/reach/a.go", `import ("maps"; "slices"); func f(m map[int]int) { for range slices.Sorted(maps.Keys(m)) {} }`, ""},
	{"core", "keys in no order", "internal/reach/a.go", `import "maps"; func f(m map[int]int) { for range maps.Keys(m) {} }`, "maps.Keys has a random order"},
	{"core", "keys collected", "internal/reach/a.go", `import ("maps"; "slices"); func f(m map[int]int) { slices.Collect(maps.Keys(m)) }`, "maps.Keys has a random order"},
	{"core", "init", "internal/codec/a.go", `func init() {}`, "no init functions"},
	{"core", "floats", "internal/mesh/a.go", `func f() float64 { return 1 }`, "no floating point"},
	{"core", "floats in codec", "internal/codec/a.go", `func f() float64 { return 1 }`, ""},
	{"core", "the same outside the core", "internal/daemon/a.go", `func f(m map[int]int) { for range m { go f(m) } }`, ""},

	{"core", "sentinel", "internal/wire/a.go", `import "errors"; var ErrX = errors.New("x")`, ""},
	{"core", "table", "internal/wire/a.go", `var names = [...]string{"a"}; func f() string { return names[0] }`, ""},
	{"core", "table of maps", "internal/wire/a.go", `var names = map[int][]string{1: {"a"}}`, ""},
	{"core", "encoding", "internal/wire/a.go", `import "encoding/base32"; var e = base32.StdEncoding.WithPadding(-1)`, ""},
	{"core", "exported table", "internal/wire/a.go", `var Names = []string{"a"}`, "only error sentinels are exported"},
	{"core", "counter", "internal/wire/a.go", `var n int`, "it has no value"},
	{"core", "counter with a value", "internal/wire/a.go", `var n = 0; func f() { n++ }`, "n is written"},
	{"core", "element written", "internal/wire/a.go", `var n = []int{0}; func f() { n[0] = 1 }`, "n is written"},
	{"core", "element deleted", "internal/wire/a.go", `var n = map[int]int{}; func f() { delete(n, 1) }`, "n is written"},
	{"core", "address", "internal/wire/a.go", `var n = 0; func f() *int { return &n }`, "its address taken"},
	{"core", "pointer method", "internal/wire/a.go", `type c struct{ n int }; func (c *c) add() {}; var n = c{}; func f() { n.add() }`, "its address taken"},
	{"core", "pointer", "internal/wire/a.go", `import "math/rand/v2"; var r = rand.New(rand.NewPCG(1, 2))`, "can change behind a pointer"},
	{"core", "pointer to a table", "internal/wire/a.go", `var t = f(); func f() *[9]int { return new([9]int) }; func g() int { return t[1] }`, ""},
	{"core", "table written through a pointer", "internal/wire/a.go", `var t = f(); func f() *[9]int { return new([9]int) }; func g() { t[1] = 1 }`, "t is written"},
	{"core", "shadowed", "internal/wire/a.go", `var n = 0; func f() { n := 1; n++ }`, ""},

	{"sizes", "long function", "internal/web/a.go", "func f() {" + strings.Repeat("\n", 70) + "}", "f has 71 lines"},
	{"sizes", "longest function", "internal/web/a.go", "func f() {" + strings.Repeat("\n", 69) + "}", ""},
	{"sizes", "long file", "internal/web/a.go", strings.Repeat("\n", 395), "401 lines"},
	{"sizes", "longest file", "internal/web/a.go", strings.Repeat("\n", 394), ""},
	{"sizes", "long test", "internal/web/a_test.go", strings.Repeat("\n", 500), ""},

	{"programs", "ours", "cmd/streamer/main.go", `import "os"; func main() { os.Exit(1) }`, ""},
	{"programs", "another", "cmd/other/main.go", `func main() {}`, "another program"},
	{"programs", "exit", "internal/web/a.go", `import "os"; func f() { os.Exit(1) }`, "os.Exit belongs to cmd/streamer"},

	{"parsers", "fuzzed through others", "internal/web/a_test.go", `import "testing"; func ParseX() { parseY() }; func parseY() {}; func FuzzX(*testing.F) { ParseX() }`, ""},
}

// head makes a whole file of a planted one.
func head(path, src string) string {
	name := "streamer"
	if i := strings.LastIndex(path, "/"); i >= 0 {
		dir := path[:i]
		name = dir[strings.LastIndex(dir, "/")+1:]
	}
	comment := "// Package " + name + " is planted.\n"
	if strings.HasPrefix(path, "cmd/") {
		comment, name = "// Command "+name+" is planted.\n", "main"
	}
	return "// SPDX-License-Identifier: MIT\n\n" + comment + "package " + name + "\n\n" + src + "\n"
}

func TestPlantedViolations(t *testing.T) {
	for _, tt := range planted {
		t.Run(tt.check+"/"+tt.name, func(t *testing.T) {
			tree, err := archtest.Load(fstest.MapFS{tt.path: {Data: []byte(head(tt.path, tt.src))}})
			if err != nil {
				t.Fatal(err)
			}
			expect(t, tree, tt.check, tt.want)
		})
	}
}

// expect runs one check and compares: no finding when want is empty, otherwise at least one, and want in the first.
func expect(t *testing.T, tree *archtest.Tree, check, want string) {
	t.Helper()
	for _, c := range checks {
		if c.name != check {
			continue
		}
		found, err := c.run(tree)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && len(found) > 0 {
			t.Errorf("got %v, want no finding", found)
		}
		if want != "" && (len(found) == 0 || !strings.Contains(found[0].Text, want)) {
			t.Errorf("got %v, want a finding with %q", found, want)
		}
		return
	}
	t.Fatalf("no check %q", check)
}

func TestPlantedTrees(t *testing.T) {
	good := head("internal/web/a.go", "")
	for _, tt := range []struct {
		check, name string
		files       fstest.MapFS
		want        string
	}{
		{"parsers", "without a fuzz target", fstest.MapFS{
			"internal/web/a.go": {Data: []byte(good + "func ParseX() {}\nfunc parseY() {}\n")},
			"internal/web/a_test.go": {Data: []byte(head("internal/web/a_test.go",
				"func FuzzX() { ParseX() }; func TestY() { parseY() }"))},
		}, "reaches parseY"},
		{"heads", "complete", fstest.MapFS{"internal/web/a.go": {Data: []byte(good)}}, ""},
		{"heads", "no licence line", fstest.MapFS{
			"internal/web/a.go": {Data: []byte(strings.Replace(good, "SPDX", "XXXX", 1))},
		}, "the first line must be"},
		{"heads", "no package comment", fstest.MapFS{
			"internal/web/a.go": {Data: []byte(strings.Replace(good, "// Package", "// package", 1))},
		}, "no package comment"},
		{"links", "all there", fstest.MapFS{
			"README.md":       {Data: []byte("# A\n[b](docs/b.md#the-word-x) [dir](docs) [self](#a) [web](https://example.org/x)")},
			"docs/b.md":       {Data: []byte("# B\n## The word `x`\n[up](../README.md#a)\n```\n[code](nowhere)\n```\n`[code](nowhere)`\n")},
			"docs/c/plain.md": {Data: []byte("")},
		}, ""},
		{"links", "no file", fstest.MapFS{"README.md": {Data: []byte("[b](docs/b.md)")}}, "no such file"},
		{"links", "no heading", fstest.MapFS{"README.md": {Data: []byte("# A\n[b](#b)")}}, "no such heading"},
		{"links", "outside", fstest.MapFS{"README.md": {Data: []byte("[b](../b)")}}, "it leaves the repository"},
	} {
		t.Run(tt.check+"/"+tt.name, func(t *testing.T) {
			tree, err := archtest.Load(tt.files)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, tree, tt.check, tt.want)
		})
	}
}
