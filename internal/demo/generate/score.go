// SPDX-License-Identifier: MIT

package main

// The grid: 16 bars of 16 sixteenths.
const (
	bars         = 16
	barSteps     = 16
	stepSamples  = loopSamples / (bars * barSteps)
	swingSamples = stepSamples / 8 // odd sixteenths come a little late
)

// A chord holds from a step of a bar until the next chord.
type chord struct {
	bar, step int
	steps     int
	bass      int   // MIDI note numbers
	voices    []int // low to high
}

// Slow changes in F major; voices move by a step where they can, so that the pad sings instead of jumping.
var chords = []chord{
	{0, 0, 16, 29, []int{57, 60, 64, 67}},  // Fmaj9
	{1, 0, 16, 33, []int{55, 60, 62, 67}},  // Am7 (11)
	{2, 0, 16, 34, []int{57, 60, 62, 65}},  // Bbmaj9
	{3, 0, 16, 36, []int{58, 62, 65, 67}},  // C9sus4
	{4, 0, 16, 38, []int{57, 60, 64, 65}},  // Dm9
	{5, 0, 16, 33, []int{55, 60, 64, 67}},  // Am7
	{6, 0, 16, 31, []int{58, 62, 65, 69}},  // Gm9
	{7, 0, 16, 36, []int{58, 62, 64, 69}},  // C13
	{8, 0, 16, 29, []int{57, 60, 64, 67}},  // Fmaj9
	{9, 0, 8, 40, []int{55, 58, 62, 64}},   // Em7b5
	{9, 8, 8, 33, []int{55, 58, 61, 65}},   // A7 b9 b13
	{10, 0, 16, 38, []int{57, 60, 64, 65}}, // Dm9
	{11, 0, 16, 34, []int{57, 60, 62, 65}}, // Bbmaj9
	{12, 0, 16, 31, []int{58, 62, 65, 69}}, // Gm9
	{13, 0, 16, 33, []int{57, 60, 64, 67}}, // Am7
	{14, 0, 16, 34, []int{57, 60, 62, 65}}, // Bbmaj9
	{15, 0, 16, 36, []int{55, 58, 62, 65}}, // C9sus4
}

// A note of the melody.
type note struct {
	bar, step int
	steps     int
	key       int // MIDI note number
	loud      float64
}

// The tune leaves room at first, rises to the high A in bar 12, and comes home.
var melody = []note{
	{0, 0, 10, 69, .55},
	{1, 8, 4, 76, .5},
	{1, 12, 4, 74, .5},
	{2, 0, 12, 72, .6},
	{3, 6, 2, 67, .4},
	{3, 8, 8, 70, .5},
	{4, 0, 4, 69, .7},
	{4, 4, 2, 72, .6},
	{4, 6, 6, 74, .8},
	{4, 12, 4, 76, .7},
	{5, 0, 6, 72, .75},
	{5, 6, 2, 69, .5},
	{5, 8, 8, 67, .6},
	{6, 2, 2, 69, .5},
	{6, 4, 2, 70, .6},
	{6, 6, 6, 74, .8},
	{6, 12, 4, 77, .75},
	{7, 0, 3, 76, .7},
	{7, 3, 3, 74, .55},
	{7, 6, 10, 69, .6},
	{8, 0, 3, 79, .8},
	{8, 3, 3, 76, .6},
	{8, 6, 6, 72, .7},
	{8, 12, 2, 69, .5},
	{8, 14, 2, 72, .55},
	{9, 0, 4, 74, .7},
	{9, 4, 4, 70, .55},
	{9, 8, 4, 73, .65},
	{9, 12, 4, 76, .7},
	{10, 0, 6, 77, .8},
	{10, 6, 2, 76, .6},
	{10, 8, 8, 72, .65},
	{11, 2, 2, 74, .6},
	{11, 4, 2, 77, .7},
	{11, 6, 6, 81, .9},
	{11, 12, 4, 79, .7},
	{12, 0, 4, 77, .75},
	{12, 4, 2, 74, .6},
	{12, 6, 6, 70, .65},
	{12, 12, 4, 69, .5},
	{13, 0, 6, 67, .6},
	{13, 6, 2, 72, .55},
	{13, 8, 8, 76, .65},
	{14, 0, 6, 74, .65},
	{14, 6, 2, 72, .5},
	{14, 8, 8, 69, .6},
	{15, 4, 4, 67, .45},
	{15, 8, 4, 70, .5},
	{15, 12, 4, 67, .4},
}

// The strings turn over the chord in eighths: which voice, an octave up.
var arpeggio = [8]int{0, 2, 1, 3, 2, 3, 1, 2}

// at is the sample where a step begins.
func at(bar, step int) int {
	i := (bar*barSteps + step) * stepSamples
	if step%2 == 1 {
		i += swingSamples
	}
	return i
}
