// SPDX-License-Identifier: MIT

package main

import "math"

// svf is a state variable filter (A. Simper's form: stable at any setting).
type svf struct{ a, b float64 }

func (f *svf) bandpass(x, hertz, q float64) float64 {
	g := math.Tan(math.Pi * hertz / sampleRate)
	k := 1 / q
	a1 := 1 / (1 + g*(g+k))
	v3 := x - f.b
	v1 := a1*f.a + g*a1*v3
	v2 := f.b + g*v1
	f.a, f.b = 2*v1-f.a, 2*v2-f.b
	return k * v1
}

// onePole is the gentlest low-pass.
type onePole struct{ y float64 }

func (p *onePole) next(x, amount float64) float64 {
	p.y += amount * (x - p.y)
	return p.y
}

// comb is a delay line fed back through a low-pass: one family of echoes in a room.
type comb struct {
	line []float64
	i    int
	damp onePole
}

func (c *comb) next(x, feedback, amount float64) float64 {
	y := c.line[c.i]
	c.line[c.i] = x + feedback*c.damp.next(y, amount)
	c.i = (c.i + 1) % len(c.line)
	return y
}

// allpass blurs echoes without colouring them.
type allpass struct {
	line []float64
	i    int
}

func (a *allpass) next(x float64) float64 {
	delayed := a.line[a.i]
	y := delayed - 0.5*x
	a.line[a.i] = x + 0.5*delayed
	a.i = (a.i + 1) % len(a.line)
	return y
}

// reverb is Schroeder's room with Moorer's damping, tuned as Freeverb is.
type reverb struct {
	combs     []comb
	allpasses []allpass
}

func newReverb(spread int) *reverb {
	r := new(reverb)
	for _, n := range []int{1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617} {
		r.combs = append(r.combs, comb{line: make([]float64, n+spread)})
	}
	for _, n := range []int{556, 441, 341, 225} {
		r.allpasses = append(r.allpasses, allpass{line: make([]float64, n+spread)})
	}
	return r
}

func (r *reverb) next(x float64) float64 {
	y := 0.0
	for i := range r.combs {
		y += r.combs[i].next(x, 0.87, 0.62)
	}
	for i := range r.allpasses {
		y = r.allpasses[i].next(y)
	}
	return y * 0.03
}

// room returns the sound of a loop in a room. It plays the loop twice and keeps the second turn, in which the end of the
// first still rings.
func room(dry stereo) stereo {
	wet := newStereo()
	left, right := newReverb(0), newReverb(23)
	for range 2 {
		for i := range dry.l {
			mono := dry.l[i] + dry.r[i]
			wet.l[i] = left.next(mono + 0.3*dry.l[i])
			wet.r[i] = right.next(mono + 0.3*dry.r[i])
		}
	}
	return wet
}
