// SPDX-License-Identifier: MIT

package sound

import (
	"math"
	"testing"
)

// A tone is the same tone at another rate, in pieces of any length.
func TestResample(t *testing.T) {
	for _, c := range []struct{ from, to int }{{44100, 48000}, {48000, 44100}, {22050, 48000}, {96000, 48000}, {8000, 48000}} {
		for _, f := range []float64{100, 1000, 0.4 * float64(min(c.from, c.to))} {
			r := newResampler(c.from, c.to, 2)
			var out []float32
			for i, n := 0, 1; i < c.from; i += n {
				n = 1 + (n*7)%1153
				var in []float32
				for k := i; k < i+n; k++ {
					x := 2 * math.Pi * f * float64(k) / float64(c.from)
					in = append(in, float32(0.5*math.Sin(x)), float32(0.5*math.Cos(x)))
				}
				out = append(out, r.convert(in)...)
			}
			if got := len(out) / 2; math.Abs(float64(got-c.to)) > 0.05*float64(c.to) {
				t.Errorf("%v: %d samples of a second", c, got)
			}
			signal, noise := 0.0, 0.0
			for k := c.to / 4; k < c.to/2; k++ {
				x := 2 * math.Pi * f * float64(k) / float64(c.to)
				for i, want := range []float64{0.5 * math.Sin(x), 0.5 * math.Cos(x)} {
					signal += want * want
					noise += math.Pow(want-float64(out[2*k+i]), 2)
				}
			}
			if v := 10 * math.Log10(signal/noise); v < 60 && f <= 1000 || v < 45 { // near the limit it is softer by 3 %
				t.Errorf("%v, %.0f Hz: %.1f dB", c, f, v)
			}
		}
	}
}
