// SPDX-License-Identifier: MIT

// Command release builds the program for every system it is for and packs it: archives, Debian packages, SHA256SUMS.
//
//	release -root DIR -out DIR -version VERSION -epoch SECONDS
//
// The same source, version, epoch and Go give the same bytes, wherever and by whomever it is run: every time is the epoch,
// every owner root, every list sorted, and no path of the machine is in it.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A release is what is packed under one version.
type release struct {
	root    string // the repository
	version string // as git describes it
	when    time.Time
}

// A target is a system that is built for.
type target struct{ os, arch string }

// targets are all of them.
func targets() []target {
	var list []target
	for _, system := range []string{"darwin", "linux", "windows"} {
		list = append(list, target{system, "amd64"}, target{system, "arm64"})
	}
	return list
}

func main() {
	root := flag.String("root", ".", "the repository")
	out := flag.String("out", "dist", "where the files go; what is there is removed")
	version := flag.String("version", "dev", "as git describes it")
	epoch := flag.Int64("epoch", 0, "the time in all files, in seconds since 1970: when the source was committed")
	flag.Parse()
	r := release{root: *root, version: *version, when: time.Unix(*epoch, 0).UTC()}
	if err := r.write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// write makes everything. Files are complete, or not there.
func (r release) write(out string) error {
	dir, err := os.MkdirTemp("", "streamer-release-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	made := map[string][]byte{}
	for _, t := range targets() {
		program, err := r.build(dir, t)
		if err != nil {
			return err
		}
		files, err := r.pack(t, program)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", t.os, t.arch, err)
		}
		for name, data := range files {
			made[name] = data
		}
	}
	made["SHA256SUMS"] = sums(made)
	if err := errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o755)); err != nil {
		return err
	}
	for name, data := range made {
		if err := os.WriteFile(filepath.Join(out, name), data, 0o644); err != nil { //nolint:gosec // for everybody
			return err
		}
	}
	fmt.Print(string(made["SHA256SUMS"]))
	return nil
}

// build makes the program for one system. The directory, the state of git and the C compiler of this machine leave no trace.
func (r release) build(dir string, t target) ([]byte, error) {
	path := filepath.Join(dir, t.os+"-"+t.arch)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+r.version, "-o", path, "./cmd/streamer") //nolint:noctx // it ends with us
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), "GOOS="+t.os, "GOARCH="+t.arch, "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=-mod=readonly", "GOEXPERIMENT=", "GOFIPS140=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build for %s/%s: %w: %s", t.os, t.arch, err, said)
	}
	return os.ReadFile(path)
}

// pack puts the program for one system into files, by their names.
func (r release) pack(t target, program []byte) (map[string][]byte, error) {
	files := map[string][]byte{}
	entries, err := r.archive(t, program)
	if err != nil {
		return nil, err
	}
	name := "streamer-" + strings.TrimPrefix(r.version, "v") + "-" + t.os + "-" + t.arch
	for i := range entries {
		entries[i].name = name + "/" + entries[i].name
	}
	if t.os == "windows" {
		files[name+".zip"], err = zipFile(entries, r.when)
	} else {
		files[name+".tar.gz"], err = tarGzip(entries, r.when)
	}
	if err != nil {
		return nil, err
	}
	if t.os == "linux" {
		deb, err := r.debian(t.arch, program)
		if err != nil {
			return nil, err
		}
		files["streamerp2p_"+r.debianVersion()+"_"+t.arch+".deb"] = deb
	}
	return files, nil
}

// archive lists what is in an archive for one system.
func (r release) archive(t target, program []byte) ([]entry, error) {
	binary := "streamer"
	if t.os == "windows" {
		binary += ".exe"
	}
	return r.files([]entry{{name: binary, mode: 0o755, data: program}}, map[string]string{
		"README.md": "README.md", "LICENSE": "LICENSE", "CHANGELOG.md": "CHANGELOG.md", "licenses.txt": "cmd/streamer/licenses.txt",
		"streamer.1":               "packaging/streamer.1",
		"completion/streamer.bash": "cmd/streamer/completion/bash.sh",
		"completion/_streamer":     "cmd/streamer/completion/zsh.sh",
		"completion/streamer.fish": "cmd/streamer/completion/fish.sh",
	})
}

// files adds files of the repository to a list: where they go, and what they are.
func (r release) files(list []entry, sources map[string]string) ([]entry, error) {
	for name, source := range sources {
		data, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(source)))
		if err != nil {
			return nil, err
		}
		list = append(list, entry{name: name, mode: 0o644, data: data})
	}
	return list, nil
}

// sums lists files as sha256sum -c reads it.
func sums(files map[string][]byte) []byte {
	var lines []string
	for name, data := range files {
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	var b bytes.Buffer
	for _, line := range lines {
		b.WriteString(line)
	}
	return b.Bytes()
}
