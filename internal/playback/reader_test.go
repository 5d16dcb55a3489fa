// SPDX-License-Identifier: MIT

package playback_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"streamer/internal/codec"
	"streamer/internal/playback"
)

// A Reader gives every frame of a station that goes on after its end, with a gap between, and then the end.
func TestReader(t *testing.T) {
	r := recipes()[0]
	s := newShow(t, r, 12, 48000)
	synctest.Test(t, func(t *testing.T) {
		c := playback.NewChannel(r.name)
		go func() {
			for epoch := range uint32(2) {
				c.Begin(epoch + 1)
				live(c, s.chunks)
				c.End()
				time.Sleep(playback.EndGrace / 2)
			}
		}()
		reader := playback.NewReader(c, playback.EndGrace)
		frames, gaps := 0, 0
		for n := 0; ; n++ {
			it, err := reader.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 && it.Kind != codec.ItemHeader {
				t.Fatalf("it begins with %v", it.Kind)
			}
			switch it.Kind {
			case codec.ItemFrame:
				frames++
			case codec.ItemGap:
				gaps++
			case codec.ItemHeader, codec.ItemEvent:
			}
		}
		if want := 2 * len(s.hashes); frames != want || gaps != 2 {
			t.Errorf("%d frames and %d gaps, want %d and 2", frames, gaps, want)
		}
	})
}

// One who pauses longer than a Channel holds goes on near the newest, after a gap; one who waits ends with ctx or the Channel.
func TestReaderFallsBehind(t *testing.T) {
	r := recipes()[0]
	s := newShow(t, r, 12, 48000)
	synctest.Test(t, func(t *testing.T) {
		c := playback.NewChannel(r.name)
		reader := playback.NewReader(c, playback.EndGrace)
		play := func() {
			c.Begin(1)
			live(c, s.chunks)
		}
		play()
		if _, err := reader.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 + int(playback.RingDuration/(12*time.Second)) {
			play()
		}
		gap, frames := false, 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			it, err := reader.Next(ctx)
			cancel()
			if err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
				break
			}
			gap = gap || it.Kind == codec.ItemGap
			if it.Kind == codec.ItemFrame && gap {
				frames++
			}
		}
		if d := time.Duration(frames) * 12 * time.Second / time.Duration(len(s.hashes)); !gap || d < 7*time.Second || d > 9*time.Second {
			t.Errorf("gap: %v, then %v of sound, want 8 s", gap, d)
		}
		c.Close()
		if _, err := reader.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("after the Channel's end: %v", err)
		}
	})
}
