// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
)

// The studio's music is a tone that rises steadily through all tracks: its pitch tells where in the music one is. A track
// that is heard and the title that is shown, or two places before and after a pause, can so be compared by what a browser decoded.
const (
	studioName = "Lab FM"
	tracks     = 16
	trackSec   = 9
	musicSec   = tracks * trackSec // then it begins again
	sweepFrom  = 400               // Hz
	sweepRise  = 20                // Hz a second
	sweepRate  = 32000             // samples a second
)

// makeSweeps writes the tracks into a new directory. Each is played by `Laboratory - Track N`.
func makeSweeps(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for n := range tracks {
		if err := encode(ctx, filepath.Join(dir, fmt.Sprintf("%02d.mp3", n)), sweep(n*trackSec, trackSec),
			"-b:a", "64k", "-metadata", "artist=Laboratory", "-metadata", fmt.Sprint("title=Track ", n)); err != nil {
			return err
		}
	}
	return nil
}

// sweep is so many seconds of the music from a second on, as 16-bit mono samples.
func sweep(from, seconds int) []byte {
	b := make([]byte, 0, 2*seconds*sweepRate)
	for i := range seconds * sweepRate {
		at := float64(from) + float64(i)/sweepRate
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(9000*math.Sin(2*math.Pi*(sweepFrom*at+sweepRise*at*at/2)))))
	}
	return b
}

// encode makes a file of samples.
func encode(ctx context.Context, path string, samples []byte, options ...string) error {
	args := append([]string{"-v", "error", "-y", "-f", "s16le", "-ar", fmt.Sprint(sweepRate), "-ac", "1", "-i", "-"}, options...)
	cmd := exec.CommandContext(ctx, "ffmpeg", append(args, path)...)
	cmd.Stdin = bytes.NewReader(samples)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg: %w %s (apt-get install ffmpeg)", err, out)
	}
	return nil
}

// earScript listens to what the page's audio element decodes. lab.ear() is the loudest pitch and, as far as it is of the sweep, the
// second of the music. lab.place() is where the page says that the listener is, in seconds.
const earScript = `(async () => {
	if (window.lab) return;
	const audio = document.querySelector("#audio");
	const context = new AudioContext();
	const analyser = context.createAnalyser();
	analyser.fftSize = 16384;
	analyser.smoothingTimeConstant = 0;
	context.createMediaElementSource(audio).connect(analyser).connect(context.destination);
	const bins = new Float32Array(analyser.frequencyBinCount);
	const {position, player} = await import("/assets/player.js");
	const lab = {
		ear() {
			analyser.getFloatFrequencyData(bins);
			let best = 0;
			for (let i = 1; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
			const hz = best * context.sampleRate / analyser.fftSize;
			return {db: bins[best] === -Infinity ? -999 : bins[best], hz, second: (hz - 400) / 20 + analyser.fftSize / context.sampleRate / 2};
		},
		place: () => (position() ?? NaN) / 1000,
		state: () => document.querySelector("#bar").dataset.state,
		at: () => audio.currentTime,
		until: async (is) => { while (!is()) await new Promise(requestAnimationFrame); },
		pass: async (seconds) => {
			const end = audio.currentTime + seconds;
			await lab.until(() => audio.currentTime >= end);
		},
	};
	window.lab = lab;
	await context.resume();
})()`
