// SPDX-License-Identifier: MIT

package main

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sample is a release of something that is no program: what is packed is what is tested here. `make release-check` builds.
func sample(root string) release {
	return release{root: root, version: "v1.2.3", when: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

// program stands for the binary.
var program = []byte("#!/bin/sh\necho it runs\n")

// all packs for all systems.
func all(t *testing.T, r release) map[string][]byte {
	t.Helper()
	made := map[string][]byte{}
	for _, system := range targets() {
		files, err := r.pack(system, program)
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range files {
			made[name] = data
		}
	}
	return made
}

func TestTheSameBytesElsewhere(t *testing.T) {
	here := all(t, sample("../.."))
	copied := filepath.Join(t.TempDir(), "a", "longer", "path")
	for _, dir := range []string{"cmd/streamer/completion", "internal/desktop", "packaging"} {
		if err := os.CopyFS(filepath.Join(copied, dir), os.DirFS(filepath.Join("../..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"README.md", "LICENSE", "CHANGELOG.md", "cmd/streamer/licenses.txt"} {
		b, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(copied, name)
		if err := os.WriteFile(path, b, 0o600); err != nil { // other permissions
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TZ", "Pacific/Kiritimati")
	there := all(t, sample(copied))
	if want := string(sums(here)); string(sums(there)) != want {
		t.Errorf("from another directory:\n%swant:\n%s", sums(there), want)
	}
	if names := strings.Count(string(sums(here)), "\n"); names != len(targets())+2 {
		t.Errorf("%d files, want an archive for each system and two Debian packages:\n%s", names, sums(here))
	}
	other := sample("../..")
	other.when = other.when.Add(time.Second)
	for name, data := range all(t, other) {
		if bytes.Equal(data, here[name]) && !strings.HasSuffix(name, ".zip") { // of which times are of two seconds, too
			t.Errorf("%s does not have the release's time", name)
		}
	}
}

// tool runs a program of the system, which reads what we wrote.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s (tools/deps.sh installs what is missing)", name, args, err, out)
	}
	return string(out)
}

// write puts the files into a directory.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// inside is what everybody gets beside the program.
var inside = []string{
	"CHANGELOG.md", "LICENSE", "README.md", "completion/_streamer", "completion/streamer.bash", "completion/streamer.fish", "licenses.txt", "streamer.1",
}

func TestArchives(t *testing.T) {
	made := all(t, sample("../.."))
	dir := write(t, made)
	for _, system := range targets() {
		name := "streamer-1.2.3-" + system.os + "-" + system.arch
		binary := "streamer"
		var got []string
		if system.os == "windows" {
			binary += ".exe"
			z, err := zip.NewReader(bytes.NewReader(made[name+".zip"]), int64(len(made[name+".zip"])))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range z.File {
				got = append(got, f.Name)
			}
		} else {
			list := tool(t, "tar", "-tvzf", filepath.Join(dir, name+".tar.gz"))
			for line := range strings.Lines(list) {
				words := strings.Fields(line)
				got = append(got, words[5])
				if words[1] != "root/root" || words[3]+" "+words[4] != "2026-11-23 12:00" {
					t.Errorf("%s: %s", name, line)
				}
			}
		}
		want := []string{name + "/" + binary}
		for _, file := range inside {
			want = append(want, name+"/"+file)
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("in %s is %q, want %q", name, got, want)
		}
	}
	tool(t, "tar", "-xzf", filepath.Join(dir, "streamer-1.2.3-linux-amd64.tar.gz"), "-C", dir)
	if said := tool(t, filepath.Join(dir, "streamer-1.2.3-linux-amd64", "streamer")); said != "it runs\n" {
		t.Errorf("the unpacked program says %q", said)
	}
}

func TestDebianPackage(t *testing.T) {
	dir := write(t, all(t, sample("../..")))
	deb := filepath.Join(dir, "streamerp2p_1.2.3-1_arm64.deb")
	for field, want := range map[string]string{"Package": "streamerp2p", "Version": "1.2.3-1", "Architecture": "arm64", "Conflicts": "streamer", "Depends": ""} {
		if got := strings.TrimSpace(tool(t, "dpkg-deb", "-f", deb, field)); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	root := filepath.Join(dir, "root")
	tool(t, "dpkg-deb", "-R", deb, root)
	sums := exec.CommandContext(t.Context(), "md5sum", "-c", "--quiet", "DEBIAN/md5sums")
	sums.Dir = root
	if out, err := sums.CombinedOutput(); err != nil {
		t.Errorf("md5sums: %v: %s", err, out)
	}
	if n := strings.Count(tool(t, "cat", filepath.Join(root, "DEBIAN/md5sums")), "\n"); n != 14 {
		t.Errorf("the package has %d files", n)
	}
	for _, line := range strings.Split(strings.TrimSpace(tool(t, "dpkg-deb", "-c", deb)), "\n") {
		words := strings.Fields(line)
		program := strings.HasSuffix(line, "/usr/bin/streamer") || strings.HasSuffix(line, "/")
		if words[1] != "root/root" || program != strings.HasPrefix(line[1:], "rwxr-xr-x") {
			t.Errorf("%s", line)
		}
	}
	if got := tool(t, "desktop-file-validate", filepath.Join(root, "usr/share/applications/streamerp2p.desktop")); got != "" {
		t.Errorf("desktop-file-validate: %s", got)
	}
	for _, script := range []string{"postinst", "prerm"} {
		tool(t, "sh", "-n", filepath.Join(root, "DEBIAN", script))
	}
	// The program is at another place than the unit says: everything else of it is judged.
	unit := filepath.Join(root, "usr/lib/systemd/system/streamer.service")
	text := strings.ReplaceAll(tool(t, "cat", unit), "/usr/bin/streamer ", filepath.Join(root, "usr/bin/streamer")+" ")
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil { //nolint:gosec // as it was
		t.Fatal(err)
	}
	if said := tool(t, "systemd-analyze", "verify", "--man=no", unit); strings.Contains(said, "streamer.service") {
		t.Errorf("systemd-analyze: %s", said)
	}
	// It gives what may be given away of a service that talks to the network: at most 2.0 of 10 (0 is best).
	tool(t, "systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit)
}

// Whatever git describes is a version that Debian takes and orders.
func TestDebianVersions(t *testing.T) {
	r := sample(".")
	var last string
	for _, version := range []string{"e23f060", "v0.9.0", "v1.0.0", "v1.0.0-4-ge23f060", "v1.0.0-4-ge23f060-dirty", "v1.0.1", "v1.10.0"} {
		r.version = version
		got := r.debianVersion()
		if last != "" {
			tool(t, "dpkg", "--compare-versions", last, "lt", got)
		}
		tool(t, "dpkg", "--validate-version", got)
		last = got
	}
}
