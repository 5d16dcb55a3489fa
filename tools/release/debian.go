// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"crypto/md5" //nolint:gosec // what dpkg compares installed files with
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The Debian package is written here and not by dpkg-deb, so that any system makes it and nothing of that system is in it. The
// format is deb(5): an ar archive of the format's version, what the package says of itself, and its files.

// debianVersion orders versions as they came: 1.2.3 before the commits after it, and commits before any version by their days.
func (r release) debianVersion() string {
	v := strings.ReplaceAll(strings.TrimPrefix(r.version, "v"), "-", "+")
	v = regexp.MustCompile(`[^A-Za-z0-9.+~]`).ReplaceAllString(v, ".")
	if v == "" || v[0] < '0' || v[0] > '9' || !strings.Contains(v, ".") {
		v = "0~git" + r.when.Format("20060102.150405") + "." + v
	}
	return v + "-1"
}

// debian makes the package for one architecture, which has Debian's name in Go, too.
func (r release) debian(arch string, program []byte) ([]byte, error) {
	files, err := r.debianFiles(program)
	if err != nil {
		return nil, err
	}
	control, err := r.debianControl(arch, files)
	if err != nil {
		return nil, err
	}
	var parts [2][]byte
	for i, list := range [][]entry{control, files} {
		for j := range list {
			list[j].name = "./" + list[j].name
		}
		if parts[i], err = tarGzip(append(list, directories(list)...), r.when); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, member := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", parts[0]}, {"data.tar.gz", parts[1]}} {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", member.name, r.when.Unix(), 0, 0, "100644", len(member.data))
		b.Write(member.data)
		if len(member.data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes(), nil
}

// debianFiles lists what the package installs.
func (r release) debianFiles(program []byte) ([]entry, error) {
	const doc = "usr/share/doc/streamerp2p/"
	list := []entry{{name: "usr/bin/streamer", mode: 0o755, data: program}}
	list, err := r.files(list, map[string]string{
		"usr/share/applications/streamerp2p.desktop":            "internal/desktop/streamerp2p.desktop",
		"usr/share/icons/hicolor/scalable/apps/streamerp2p.svg": "internal/desktop/icon.svg",
		"usr/share/bash-completion/completions/streamer":        "cmd/streamer/completion/bash.sh",
		"usr/share/zsh/vendor-completions/_streamer":            "cmd/streamer/completion/zsh.sh",
		"usr/share/fish/vendor_completions.d/streamer.fish":     "cmd/streamer/completion/fish.sh",
		"usr/share/lintian/overrides/streamerp2p":               "packaging/lintian-overrides",
		"usr/lib/systemd/system/streamer.service":               "packaging/streamer.service",
		doc + "copyright": "packaging/copyright",
		doc + "README.md": "README.md",
	})
	if err != nil {
		return nil, err
	}
	toCompress, err := r.files([]entry{{name: doc + "changelog.Debian", mode: 0o644, data: r.debianChangelog()}}, map[string]string{
		doc + "changelog":               "CHANGELOG.md",
		doc + "licenses.txt":            "cmd/streamer/licenses.txt",
		"usr/share/man/man1/streamer.1": "packaging/streamer.1",
	})
	if err != nil {
		return nil, err
	}
	for _, e := range toCompress {
		if e.data, err = gzipped(e.data); err != nil {
			return nil, err
		}
		e.name += ".gz"
		list = append(list, e)
	}
	return list, nil
}

// debianChangelog says no more than that there is this version: CHANGELOG.md has the rest.
func (r release) debianChangelog() []byte {
	return fmt.Appendf(nil, "streamerp2p (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n",
		r.debianVersion(), r.maintainer(), r.when.Format(time.RFC1123Z))
}

// maintainer is who packaging/control names.
func (r release) maintainer() string {
	b, _ := os.ReadFile(filepath.Join(r.root, "packaging", "control")) // debianControl complains
	_, after, _ := strings.Cut(string(b), "\nMaintainer: ")
	name, _, _ := strings.Cut(after, "\n")
	return name
}

// debianControl lists what the package says of itself.
func (r release) debianControl(arch string, files []entry) ([]entry, error) {
	control, err := os.ReadFile(filepath.Join(r.root, "packaging", "control"))
	if err != nil {
		return nil, err
	}
	var hashes bytes.Buffer
	kib := 0
	for _, f := range sorted(files) {
		fmt.Fprintf(&hashes, "%x  %s\n", md5.Sum(f.data), f.name) //nolint:gosec // as above
		kib += (len(f.data) + 1023) / 1024
	}
	text := strings.Replace(string(control), "\n", fmt.Sprintf("\nVersion: %s\nArchitecture: %s\nInstalled-Size: %d\n",
		r.debianVersion(), arch, kib+len(directories(files))), 1)
	list, err := r.files(nil, map[string]string{"postinst": "packaging/postinst", "prerm": "packaging/prerm"})
	for i := range list {
		list[i].mode = 0o755
	}
	return append(list, entry{name: "control", mode: 0o644, data: []byte(text)}, entry{name: "md5sums", mode: 0o644, data: hashes.Bytes()}), err
}

// directories are those that the files are in, each once.
func directories(files []entry) []entry {
	var names []string
	for _, f := range files {
		for dir := path.Dir(f.name); dir != "."; dir = path.Dir(dir) {
			names = append(names, "./"+strings.TrimPrefix(dir, "./")+"/")
		}
	}
	names = append(names, "./")
	slices.Sort(names)
	var list []entry
	for _, name := range slices.Compact(names) {
		list = append(list, entry{name: name, mode: 0o755})
	}
	return list
}
