// SPDX-License-Identifier: MIT

//go:build !(linux || freebsd || netbsd || openbsd || dragonfly)

package mpris

import "fmt"

// A Bus is nothing here: MPRIS is for the desktops of Linux and the BSDs.
type Bus struct{}

// Open fails.
func Open(Controls) (*Bus, error) { return nil, fmt.Errorf("%w on this operating system", ErrNoBus) }

// Show does nothing.
func (*Bus) Show(State) {}

// Close does nothing.
func (*Bus) Close() {}
