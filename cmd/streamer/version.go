// SPDX-License-Identifier: MIT

package main

import (
	_ "embed"
	"io"
	"runtime/debug"
)

// version is set by the linker (Makefile).
var version string

// licenses are this program's licence and those of all modules in it: `make licenses` writes the file.
//
//go:embed licenses.txt
var licenses string

type versionCmd struct {
	Licenses bool `help:"Print the licences of this program and of all that it contains, and where the source is."`
}

// Run prints the version or the licences.
func (c *versionCmd) Run(p *program) error {
	text := "streamer " + versionText() + "\n"
	if c.Licenses {
		text = licenses
	}
	_, err := io.WriteString(p.stdout, text)
	return err
}

// versionText is the version that the linker set, or what the go command knows.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
