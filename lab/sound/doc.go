// SPDX-License-Identifier: MIT

// Package sound hears what `streamer listen --player internal` plays: a real station, a real PulseAudio server whose only
// sink leads nowhere, and a recorder at that sink. What was recorded is compared with the source, sample by sample.
//
// It knows the program as its users do and imports nothing of it. Everything in it has the build tag lab; it needs no root.
package sound
