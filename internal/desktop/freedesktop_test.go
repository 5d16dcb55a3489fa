// SPDX-License-Identifier: MIT

package desktop_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"streamer/internal/desktop"
)

// tools fails where the desktop's own programs are missing: they are what judges here.
func tools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%v: apt-get install desktop-file-utils xdg-utils libglib2.0-bin", err)
		}
	}
}

// home is an empty one, with a program in a directory of that name.
func home(t *testing.T, dir string) desktop.System {
	t.Helper()
	root := t.TempDir()
	s := desktop.System{
		OS: "linux", Home: root, Data: filepath.Join(root, "share"), Config: filepath.Join(root, "config"),
		Binary: filepath.Join(root, dir, "streamer"),
	}
	program := "#!/bin/sh\n{ printf '%s\\n' $# \"$@\"; } >" + root + "/said.tmp && mv " + root + "/said.tmp " + root + "/said\n"
	for path, text := range map[string]string{s.Binary: program} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// run runs a program on the desktop s.
func run(t *testing.T, s desktop.System, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "XDG_") || strings.HasPrefix(e, "DISPLAY=") || strings.HasPrefix(e, "BROWSER=")
	}), "HOME="+s.Home, "XDG_DATA_HOME="+s.Data, "XDG_CONFIG_HOME="+s.Config)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// tree is every file below a directory, with what is in it.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// all does something to each item and tells how many are different afterwards.
func all(t *testing.T, items []desktop.Item, do func(desktop.Item, bool) (bool, error), dry bool) (changed int) {
	t.Helper()
	for _, it := range items {
		c, err := do(it, dry)
		if err != nil {
			t.Errorf("%v: %v", it, err)
		}
		if c {
			changed++
		}
	}
	return changed
}

// What is installed is what desktops want, a second time changes nothing, and what is left in the end is what was there.
func TestInstallAndRemove(t *testing.T) {
	tools(t, "desktop-file-validate", "xdg-mime")
	for name, mimeapps := range map[string]string{
		"none":          "",
		"others' types": "[Added Associations]\ntext/plain=a.desktop;\n\n[Default Applications]\ntext/html=b.desktop\n\n# end\n",
		"no defaults":   "[Added Associations]\ntext/plain=a.desktop;\n",
		"another's":     "[Default Applications]\nx-scheme-handler/streamerp2p=other.desktop\ntext/html=b.desktop\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := home(t, "bin")
			list := filepath.Join(s.Config, "mimeapps.list")
			if mimeapps != "" {
				// Kept elsewhere, as people do who keep their settings in a repository.
				kept := filepath.Join(s.Home, "dotfiles", "mimeapps.list")
				for _, dir := range []string{filepath.Dir(kept), s.Config} {
					if err := os.MkdirAll(dir, 0o755); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(kept, []byte(mimeapps), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(kept, list); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, s.Home)
			items := s.Items(true)
			if n := all(t, items, desktop.Item.Install, true); n != len(items) || !equal(before, tree(t, s.Home)) {
				t.Errorf("a dry run says that %d of %d would change; files: %d before, %d after", n, len(items), len(before), len(tree(t, s.Home)))
			}
			if n := all(t, items, desktop.Item.Install, false); n != len(items) {
				t.Errorf("%d items of %d were made", n, len(items))
			}
			if n := all(t, items, desktop.Item.Install, false); n != 0 {
				t.Errorf("the second time %d items were made", n)
			}
			if got := run(t, s, "xdg-mime", "query", "default", "x-scheme-handler/streamerp2p"); got != "streamerp2p.desktop\n" {
				t.Errorf("links open with %q", got)
			}
			entry, auto := filepath.Join(s.Data, "applications", "streamerp2p.desktop"), filepath.Join(s.Config, "autostart", "streamerp2p.desktop")
			if got := run(t, s, "desktop-file-validate", entry, auto); got != "" {
				t.Errorf("desktop-file-validate: %s", got)
			}
			if got := tree(t, s.Home)[auto]; !strings.Contains(got, "\nExec="+s.Binary+" run --no-open\n") || strings.Contains(got, "MimeType") {
				t.Errorf("the start at login is\n%s", got)
			}
			if mimeapps != "" {
				if info, err := os.Lstat(list); err != nil || info.Mode()&os.ModeSymlink == 0 {
					t.Errorf("mimeapps.list is no symbolic link any more: %v, %v", info, err)
				}
			}
			slices.Reverse(items)
			if n := all(t, items, desktop.Item.Remove, true); n != len(items) {
				t.Errorf("a dry run says that %d of %d would be removed", n, len(items))
			}
			if n := all(t, items, desktop.Item.Remove, false); n != len(items) {
				t.Errorf("%d items of %d were removed", n, len(items))
			}
			if n := all(t, items, desktop.Item.Remove, false); n != 0 {
				t.Errorf("the second time %d items were removed", n)
			}
			if after := tree(t, s.Home); !equal(before, after) {
				t.Errorf("before: %q\nafter: %q", before, after)
			}
		})
	}
}

// The desktop's own launcher hands every link over as one argument after "--", wherever the program lies.
func TestLinksAreOneArgument(t *testing.T) {
	tools(t, "gio")
	for _, dir := range []string{"bin", "with space", `q'u$(id)o;te`, "back\\slash`id`"} {
		s := home(t, dir)
		if err := s.CheckBinary(); err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		all(t, s.Items(false), desktop.Item.Install, false)
		entry := filepath.Join(s.Data, "applications", "streamerp2p.desktop")
		for _, link := range []string{
			"streamerp2p://aaaa?name=a%20b&peer=x:1", "streamerp2p:--data-dir=x", "streamerp2p:$(id)`id`;id", "streamerp2p:'x' y",
		} {
			run(t, s, "gio", "launch", entry, link)
			said := heard(t, filepath.Join(s.Home, "said"))
			n, words, _ := strings.Cut(said, "\n")
			if want := "open\n--\n" + link + "\n"; n != "3" || words != want {
				t.Errorf("in %q, for %q, the program got %s arguments:\n%swant\n%s", dir, link, n, words, want)
			}
		}
	}
}

// heard waits for a file and takes it away.
func heard(t *testing.T, path string) string {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		if b, err := os.ReadFile(path); err == nil {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("nothing was started: no %s", path)
		}
	}
}

func TestCheckBinary(t *testing.T) {
	s := home(t, "bin")
	if err := s.CheckBinary(); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{
		"/tmp/go-build123/b001/exe/streamer":          "go run",
		"/nowhere/streamer":                           "not at",
		"/a\nb/streamer":                              "character",
		"/100%u/streamer":                             "character",
		"/a=b/streamer":                               "character",
		"/" + strings.Repeat("a", 1100) + "/streamer": "longer",
		filepath.Dir(s.Binary):                        "not at",
	} {
		s.Binary = path
		if err := s.CheckBinary(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want a word of %q", path, err, want)
		}
	}
}

// What installing warns of is what the xdg-open of this machine does, of which Debian has both kinds.
func TestWarning(t *testing.T) {
	tools(t, "xdg-open", "xdg-mime")
	s := home(t, "bin")
	all(t, s.Items(false), desktop.Item.Install, false)
	path, err := exec.LookPath("xdg-open")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "xdg-open", "streamerp2p:x")
	cmd.Env = []string{"HOME=" + s.Home, "XDG_DATA_HOME=" + s.Data, "XDG_CONFIG_HOME=" + s.Config, "PATH=" + os.Getenv("PATH"), "DISPLAY=:none", "BROWSER=false"}
	out, err := cmd.CombinedOutput()
	if works := err == nil; works != desktop.OpensDigits(string(script)) {
		t.Errorf("xdg-open: %v: %s", err, out)
	}
	t.Setenv("XDG_CURRENT_DESKTOP", "GNOME")
	if w := s.Warning(); w != "" {
		t.Errorf("on GNOME: %s", w)
	}
}

// Whatever a user's mimeapps.list holds, our line is there after installing, no other line changed, and none of ours is left.
func FuzzAssociation(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "[Default Applications]", "[Default Applications]\n[x]\n", "x-scheme-handler/streamerp2p=a.desktop\n",
		"[Default Applications]\nx-scheme-handler/streamerp2p = a.desktop; streamerp2p.desktop ;b.desktop\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		there := desktop.Associate(text)
		if !strings.Contains(there, "streamerp2p.desktop") || desktop.Associate(there) != there {
			t.Errorf("%q became %q", text, there)
		}
		gone := desktop.Dissociate(there)
		if desktop.Dissociate(gone) != gone && !strings.Contains(text, "x-scheme-handler/streamerp2p") {
			t.Errorf("%q is left of %q", gone, text)
		}
		if !strings.Contains(text, "streamerp2p") && !bytes.Equal(others(text), others(gone)) {
			t.Errorf("%q became %q", text, gone)
		}
	})
}

// others are the lines of a list without groups' headers, which may come and go while they are empty.
func others(text string) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "[Default Applications]" {
			b.WriteString(strings.TrimSuffix(line, "\n"))
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}
