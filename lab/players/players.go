// SPDX-License-Identifier: MIT

// Package players runs the players that people use on a stream or a playlist, and listens to them: each plays into a sound
// card of its own, and what comes out there says when the first sound came, how long it lasted, and where it had holes.
// What the players print says which titles they showed and what they complained about.
//
// It judges nothing itself and knows nothing of Streamer. A player that is not installed is an error that names its Debian
// package. Every process started here has ended when the call returns.
package players

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A Format is a codec in its container, by the name that people give it.
type Format string

// The formats that nodes serve.
const (
	MP3     Format = "mp3"
	AAC     Format = "aac" // ADTS
	Vorbis  Format = "ogg/vorbis"
	Opus    Format = "ogg/opus"
	OggFLAC Format = "ogg/flac"
	FLAC    Format = "flac"
	WebM    Format = "webm" // Opus
)

// Formats returns all formats.
func Formats() []Format { return []Format{MP3, AAC, Vorbis, Opus, OggFLAC, FLAC, WebM} }

// A Player is one way to run one program.
type Player struct {
	Name     string
	Program  []string // all that must be in PATH
	Packages []string // Debian packages of them
	Playlist string   // what it is given: ".pls", ".m3u" or ".xspf" after the address of the audio; "" the audio itself
	Formats  []Format // that it plays
	Titles   []Format // of them, those in which it shows titles that change
	run      func(context.Context, job) error
}

// A Report is what one run of a player came to.
type Report struct {
	FirstSound time.Duration // from the start of the player; of Chromium, of the element; 0 when there was none
	Played     time.Duration // of sound
	Holes      int           // pauses in it that one can hear
	LongestGap time.Duration // the longest of them
	Titles     []string      // that it showed, in order, none twice in a row
	Errors     []string      // what it complained about, at most errorsMax lines
	Ended      bool          // it ended before it was told to
}

const errorsMax = 20

// A job is one run: what to play, for how long, and where to note what happens.
type job struct {
	url  string // of the audio
	list string // of what the player is given
	time time.Duration
	card *card
	*notes
}

// All returns every player, in a fixed order.
func All() []Player {
	return []Player{mpv(), vlc(), mpg123(), mplayer(), ffplay(), ffmpeg(), gstreamer(), curl(), chromium()}
}

// Plays tells whether the player can play f.
func (p Player) Plays(f Format) bool { return slices.Contains(p.Formats, f) }

// ShowsTitles tells whether the player shows titles that change in f.
func (p Player) ShowsTitles(f Format) bool { return slices.Contains(p.Titles, f) }

// Play gives the player the audio at url, or its playlist, and ends it after d.
func (p Player) Play(ctx context.Context, url string, d time.Duration) (Report, error) {
	return p.play(ctx, url, url+p.Playlist, d)
}

// Open gives the player a playlist's file, which everybody can read, and ends it after d.
func (p Player) Open(ctx context.Context, path string, d time.Duration) (Report, error) {
	return p.play(ctx, path, path, d)
}

func (p Player) play(ctx context.Context, url, list string, d time.Duration) (Report, error) {
	for _, program := range append(p.Program, "pulseaudio", "parec") {
		if _, err := exec.LookPath(program); err != nil {
			return Report{}, fmt.Errorf("%s: %s is not installed: apt-get install %s pulseaudio pulseaudio-utils", p.Name, program,
				strings.Join(p.Packages, " "))
		}
	}
	// The address of a Unix socket has 107 bytes; a test's own directory may need more.
	dir, err := os.MkdirTemp("", "player")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing in it is worth keeping
	c, err := newCard(ctx, dir)
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w", p.Name, err)
	}
	j := job{url: url, list: list, time: d, card: c, notes: &notes{began: time.Now()}}
	err = errors.Join(p.run(ctx, j), c.close())
	r := j.report()
	if h := c.heard(); p.Name != "curl" {
		r.Played, r.Holes, r.LongestGap = h.played, h.holes, h.longest
		if h.played > 0 {
			r.FirstSound = h.first.Sub(j.began)
		}
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", p.Name, err)
	}
	return r, nil
}
