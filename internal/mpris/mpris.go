// SPDX-License-Identifier: MIT

// Package mpris shows what is heard to the desktop, and takes its media keys: a player on the session bus, as MPRIS 2.2 has
// it (https://specifications.freedesktop.org/mpris-spec/latest/), on Linux and the BSDs. Elsewhere, and where there is no session
// bus, Open says so and nothing is lost.
//
// It plays nothing itself, starts no bus, and offers no files and no lists of tracks. A Bus belongs to the one who opened it;
// the Controls are called from its goroutines.
package mpris

import (
	"errors"

	"streamer/internal/codec"
)

// ErrNoBus is wrapped by errors that say why no desktop listens.
var ErrNoBus = errors.New("no session bus")

// Controls are what the desktop can do to a player.
type Controls interface {
	Pause(paused bool)
	SetVolume(v float64) // 1 is as loud as the station sends it
	Stop()
}

// A Status is what the player does.
type Status string

// The states of a player, in the words of MPRIS.
const (
	Playing Status = "Playing"
	Paused  Status = "Paused"
	Stopped Status = "Stopped"
)

// A State is what the desktop shows.
type State struct {
	Status  Status
	Station string
	Event   codec.Event
	Volume  float64
}
