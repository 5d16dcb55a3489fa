// SPDX-License-Identifier: MIT

package playback

// What the fuzz tests reach.
var (
	ValidHost   = validHost
	WantsTitles = wantsTitles
	SplitWords  = splitWords
	WantedPlace = wantedPlace
)

// Interleave gives every title to a titler in turn, each before a part of audio.
func Interleave(audio []byte, part int, titles []string) []byte {
	t := newTitler("")
	var out []byte
	for len(audio) > 0 {
		if len(titles) > 0 {
			t.set(titles[0])
			titles = titles[1:]
		}
		n := min(part, len(audio))
		out = t.append(out, audio[:n])
		audio = audio[n:]
	}
	return out
}
