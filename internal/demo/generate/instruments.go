// SPDX-License-Identifier: MIT

package main

import (
	"math"
	"math/rand/v2"
)

// stereo is one turn of the loop. Writing past its end goes on at its beginning, as the loop does.
type stereo struct{ l, r []float64 }

func newStereo() stereo {
	return stereo{make([]float64, loopSamples), make([]float64, loopSamples)}
}

// add mixes a sample in at i; pan goes from -1 (left) to 1 (right) at constant power.
func (s stereo) add(i int, x, pan float64) {
	i %= len(s.l)
	angle := (pan + 1) * math.Pi / 4
	s.l[i] += x * math.Cos(angle)
	s.r[i] += x * math.Sin(angle)
}

func hertz(key float64) float64 { return 440 * math.Exp2((key-69)/12) }

func seconds(i int) float64 { return float64(i) / sampleRate }

func samples(s float64) int { return int(s * sampleRate) }

// swell rises over attack seconds, holds, and falls over release seconds after the end.
func swell(t, length, attack, release float64) float64 {
	up := math.Min(t/attack, 1)
	down := math.Max(0, math.Min(1, 1-(t-length)/release))
	return smooth(up) * smooth(down)
}

func smooth(x float64) float64 { return x * x * (3 - 2*x) }

// pad plays a voice of a chord: three strings a few cents apart, each a few harmonics that fade with their number, slowly
// breathing.
func pad(out stereo, start, length int, key int, rng *rand.Rand) {
	hold := seconds(length)
	const attack, release = 0.9, 1.8
	for _, cents := range []float64{-7, 0.5, 8} {
		f := hertz(float64(key) + cents/100)
		pan := 0.75*cents/8 + 0.2*(rng.Float64()-0.5)
		phase, breath := rng.Float64(), rng.Float64()
		for i := range length + samples(release) {
			t := seconds(i)
			bright := 0.55 + 0.2*math.Sin(2*math.Pi*(0.11*t+breath))
			x, level := 0.0, 1.0
			for h := 1.0; h <= 7 && h*f < 4000; h++ {
				x += level / h * math.Sin(2*math.Pi*(h*f*t+h*phase))
				level *= bright
			}
			out.add(start+i, 0.045*x*swell(t, hold, attack, release), pan)
		}
	}
}

// piano is an electric piano: a sine bent by another of the same pitch, a tine that dies at once, and a slow tremolo from
// side to side.
func piano(out stereo, start, length int, key int, loud float64) {
	f, hold := hertz(float64(key)), seconds(length)
	const release = 0.5
	for i := range length + samples(release) {
		t := seconds(i)
		body := math.Exp(-t*1.1) * swell(t, hold, 0.004, release)
		bend := (0.35 + 1.1*loud) * math.Exp(-t*3.2)
		x := math.Sin(2*math.Pi*f*t + bend*math.Sin(2*math.Pi*f*t))
		x += 0.34 * loud * math.Exp(-t*16) * math.Sin(2*math.Pi*7.03*f*t)
		out.add(start+i, 0.21*loud*x*body, 0.12+0.3*math.Sin(2*math.Pi*2.1*t))
	}
}

// pluck is a string after Karplus and Strong: noise in a delay line that loses its highs at every turn.
func pluck(out stereo, start int, key int, loud, pan float64, rng *rand.Rand) {
	period := sampleRate/hertz(float64(key)) - 0.5
	line := make([]float64, int(period)+1)
	last := 0.0
	for i := range line {
		last += 0.55 * (rng.Float64()*2 - 1 - last) // a soft finger
		line[i] = last
	}
	fraction := period - math.Floor(period)
	size := int(period)
	previous := 0.0
	length := samples(2.6)
	for i := range length {
		j := i % (size + 1)
		next := line[(j+1)%(size+1)]
		x := line[j]*fraction + next*(1-fraction)
		y := 0.4975 * (x + previous)
		previous = x
		line[j] = y
		fade := math.Min(1, float64(length-i)/4000)
		out.add(start+i, 0.42*loud*y*fade, pan)
	}
}

// bass is a sine with a little of its octave, so that small speakers have something to show.
func bass(out stereo, start, length int, key int, loud float64) {
	f, hold := hertz(float64(key)), seconds(length)
	const release = 0.12
	for i := range length + samples(release) {
		t := seconds(i)
		env := swell(t, hold, 0.015, release) * (0.55 + 0.45*math.Exp(-t*2.5))
		x := math.Sin(2*math.Pi*f*t) + 0.38*math.Sin(4*math.Pi*f*t) + 0.10*math.Sin(6*math.Pi*f*t)
		out.add(start+i, 0.24*loud*env*math.Tanh(1.2*x), 0)
	}
}

// kick is a soft foot: a sine that falls to 48 Hz.
func kick(out stereo, start int, loud float64) {
	phase := 0.0
	for i := range samples(0.35) {
		t := seconds(i)
		phase += (48 + 70*math.Exp(-t*28)) / sampleRate
		out.add(start+i, 0.42*loud*math.Sin(2*math.Pi*phase)*math.Exp(-t*11)*math.Min(1, t/0.003), 0)
	}
}

// brush is noise in a band, swept or struck: a wire brush on a snare, or a hat when it is short and high.
func brush(out stereo, start int, band, attack, decay, loud, pan float64, rng *rand.Rand) {
	var f svf
	for i := range samples(attack + 7*decay) {
		t := seconds(i)
		env := math.Exp(-(t - attack) / decay)
		if t < attack {
			env = smooth(t / attack)
		}
		out.add(start+i, loud*env*f.bandpass(rng.Float64()*2-1, band, 1.1), pan)
	}
}
