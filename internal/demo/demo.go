// SPDX-License-Identifier: MIT

// Package demo holds the music that `streamer demo` plays: a minute that was composed and synthesized for this project
// (generate/, decision 0003) and loops without a seam. It does nothing with it; callers get a copy of their own.
package demo

import (
	"bytes"
	_ "embed"
)

//go:generate go run ./generate low-tide.mp3

// FileName is what the music's file is called.
const FileName = "low-tide.mp3"

//go:embed low-tide.mp3
var lowTide []byte

// Music returns an MP3 file: a tag with its title, then 2,304 frames of 80 kbit/s that need nothing of each other, so that
// the last is followed by the first.
func Music() []byte { return bytes.Clone(lowTide) }
