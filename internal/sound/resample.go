// SPDX-License-Identifier: MIT

package sound

import "math"

// Shape of the resampler: a windowed sinc, read at any place from a table.
const (
	sincZeros = 16  // on each side, of the slower of the two rates
	sincSteps = 256 // table entries from zero to zero; between them it is a straight line
	sincPass  = 0.94
)

// A resampler changes the sample rate, for sound systems that do not. It belongs to one goroutine.
type resampler struct {
	channels int
	step     float64 // input samples for one output sample
	place    float64 // of the next output sample in held, in samples
	scale    float64 // the filter's: below 1 where the rate goes down
	half     int     // samples that the filter reaches to each side
	table    []float32
	held     []float32 // interleaved; begins half before place
	out      []float32
}

func newResampler(from, to, channels int) *resampler {
	scale := min(1, float64(to)/float64(from))
	r := &resampler{channels: channels, step: float64(from) / float64(to), scale: scale, half: int(math.Ceil(sincZeros / scale))}
	r.place = float64(r.half)
	r.held = make([]float32, r.half*channels)
	r.table = make([]float32, sincZeros*sincSteps+2)
	for i := range r.table {
		x := float64(i) / sincSteps
		r.table[i] = float32(sinc(x*sincPass) * sincPass * window(x/sincZeros))
	}
	return r
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// window is Blackman's, from 1 at 0 to 0 at 1.
func window(x float64) float64 {
	if x >= 1 {
		return 0
	}
	return 0.42 + 0.5*math.Cos(math.Pi*x) + 0.08*math.Cos(2*math.Pi*x)
}

// convert takes interleaved samples and returns what is ready, valid until the next call.
func (r *resampler) convert(samples []float32) []float32 {
	r.held = append(r.held, samples...)
	r.out = r.out[:0]
	for n := len(r.held) / r.channels; int(r.place)+r.half < n; r.place += r.step {
		for c := range r.channels {
			r.out = append(r.out, r.at(c))
		}
	}
	if drop := int(r.place) - r.half; drop > 0 {
		r.held = r.held[:copy(r.held, r.held[drop*r.channels:])]
		r.place -= float64(drop)
	}
	return r.out
}

// at returns the value of channel c at place.
func (r *resampler) at(c int) float32 {
	middle := int(r.place)
	sum := float32(0)
	for i := middle - r.half + 1; i <= middle+r.half; i++ {
		x := math.Abs(float64(i)-r.place) * r.scale * sincSteps
		k := int(x)
		if k >= sincZeros*sincSteps {
			continue
		}
		t := float32(x - float64(k))
		sum += r.held[i*r.channels+c] * (r.table[k]*(1-t) + r.table[k+1]*t)
	}
	return sum * float32(r.scale)
}
