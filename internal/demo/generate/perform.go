// SPDX-License-Identifier: MIT

package main

import (
	"math"
	"math/rand/v2"
)

// perform plays the score and mixes it.
func perform() stereo {
	rng := rand.New(rand.NewPCG(1906, 12)) // the first voice on the air was in December 1906
	dry, echo := newStereo(), newStereo()  // echo goes to the room
	for _, c := range chords {
		playChord(c, dry, echo, rng)
	}
	for _, n := range melody {
		for _, out := range []stereo{dry, echo} {
			piano(out, at(n.bar, n.step), n.steps*stepSamples, n.key, n.loud)
		}
	}
	for bar := range bars {
		playDrums(bar, dry, echo, rng)
	}
	return master(dry, room(echo))
}

func playChord(c chord, dry, echo stereo, rng *rand.Rand) {
	start, length := at(c.bar, c.step), c.steps*stepSamples
	for _, key := range c.voices {
		pad(dry, start, length, key, rng)
		pad(echo, start, length, key, rng)
	}
	root := c.bass
	if root < 33 {
		root += 12
	}
	bass(dry, start, 5*stepSamples, root, 1)
	bass(dry, at(c.bar, c.step+6), 2*stepSamples, root, 0.6)
	if c.steps == barSteps {
		bass(dry, at(c.bar, 8), 5*stepSamples, root, 0.85)
		bass(dry, at(c.bar, 14), 2*stepSamples, root+7, 0.55)
	}
	for step := 0; step < c.steps; step += 2 {
		if rng.Float64() < 0.12 {
			continue // a breath
		}
		voice := c.voices[arpeggio[step/2%len(arpeggio)]]
		loud := 0.5 + 0.25*rng.Float64()
		pan := -0.45 + 0.25*math.Sin(float64(c.bar*barSteps+step)/5)
		late := rng.IntN(samples(0.012))
		seed := rng.Uint64()
		for _, out := range []stereo{dry, echo} {
			pluck(out, at(c.bar, c.step+step)+late, voice+12, loud, pan, rand.New(rand.NewPCG(seed, 0)))
		}
	}
}

func playDrums(bar int, dry, echo stereo, rng *rand.Rand) {
	kick(dry, at(bar, 0), 1)
	kick(dry, at(bar, 7), 0.45)
	kick(dry, at(bar, 10), 0.8)
	for _, step := range []int{4, 12} {
		seed := rng.Uint64()
		for _, out := range []stereo{dry, echo} {
			brush(out, at(bar, step), 1900, 0.006, 0.075, 0.34, 0.1, rand.New(rand.NewPCG(seed, 0)))
		}
	}
	for step := range barSteps {
		loud := 0.055 + 0.030*rng.Float64()
		if step%4 == 2 {
			loud *= 1.9
		}
		if step%2 == 1 && rng.Float64() < 0.35 {
			continue
		}
		brush(dry, at(bar, step), 7200, 0.002, 0.030, loud, -0.25, rng)
	}
	// One sweep of the brush around the skin, over half a bar.
	brush(dry, at(bar, 2), 3000, 0.55, 0.16, 0.040, 0.3, rng)
	brush(dry, at(bar, 10), 3000, 0.55, 0.16, 0.040, 0.3, rng)
}

// masterGain brings the loop to about -16 LUFS (measured with ffmpeg's ebur128).
const masterGain = 1.3

// master mixes room and direct sound, rounds off the peaks as tape does, and keeps clear of full scale.
func master(dry, wet stereo) stereo {
	out := newStereo()
	for i := range out.l {
		out.l[i] = tape(masterGain * (0.8*dry.l[i] + 0.5*wet.l[i]))
		out.r[i] = tape(masterGain * (0.8*dry.r[i] + 0.5*wet.r[i]))
	}
	return out
}

// tape is linear for small sounds and never reaches 0.8 (-1.9 dB), which leaves room for what the encoder adds.
func tape(x float64) float64 { return 0.8 * math.Tanh(x/0.8) }
