// SPDX-License-Identifier: MIT

package playback_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"streamer/internal/codec"
	"streamer/internal/playback"
)

// A recording is a CopyTo that runs, and what it wrote.
type recording struct {
	bytes.Buffer
	written, writes atomic.Int64
	err             error
	done            chan struct{}
}

func (r *recording) Write(p []byte) (int, error) {
	r.writes.Add(1)
	r.written.Add(int64(len(p)))
	return r.Buffer.Write(p)
}

func record(ctx context.Context, c *playback.Channel, grace time.Duration) *recording {
	r := &recording{done: make(chan struct{})}
	go func() {
		r.err = playback.CopyTo(ctx, c, r, grace)
		close(r.done)
	}()
	return r
}

// over reports whether the recording has ended, when all that was fed has been written.
func (r *recording) over() bool {
	time.Sleep(time.Second)
	synctest.Wait()
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// live feeds chunks as they would come from the network, in bubble time.
func live(c *playback.Channel, chunks []codec.Chunk) {
	begin := time.Now()
	if len(chunks) == 0 {
		return
	}
	first := chunks[0].Start
	for _, chunk := range chunks {
		time.Sleep(chunk.Start - first - time.Since(begin))
		c.Chunk(chunk)
	}
}

// A broadcaster who comes back within the grace time with equal parameters goes on in the same stream, as if nothing had
// happened; one who does not, ends it.
func TestSourceRestarts(t *testing.T) {
	for _, r := range recipes() {
		s := newShow(t, r, 12, 48000)
		synctest.Test(t, func(t *testing.T) {
			c := playback.NewChannel(r.name)
			rec := record(t.Context(), c, playback.EndGrace)
			c.Begin(1)
			live(c, s.chunks)
			c.End()
			time.Sleep(playback.EndGrace - 2*time.Second)
			if rec.over() {
				t.Fatalf("%s: ended within the grace time: %v", r.name, rec.err)
			}
			c.Begin(2)
			live(c, s.chunks)
			c.End()
			time.Sleep(playback.EndGrace - 2*time.Second)
			if rec.over() {
				t.Fatalf("%s: ended within the second grace time: %v", r.name, rec.err)
			}
			time.Sleep(2 * time.Second)
			if !rec.over() || rec.err != nil {
				t.Errorf("%s: not over after the grace time, or with an error: %v", r.name, rec.err)
			}
			c.Close()
			<-rec.done
			want := s.hashes
			if got := frameHashes(t, rec.Bytes(), r.demuxer); !slices.Equal(got, slices.Concat(want, want)) {
				t.Errorf("%s: got %d frames, want twice %d", r.name, len(got), len(want))
			}
			if n := bytes.Count(rec.Bytes(), []byte("OpusTags")) + bytes.Count(rec.Bytes(), []byte("fLaC")); n > 1 {
				t.Errorf("%s: %d stream headers, want 1", r.name, n)
			}
		})
	}
}

// A copy without grace ends when the station does, with all of it; who comes back begins another.
func TestCopyEndsWithTheStation(t *testing.T) {
	for _, r := range recipes() {
		s := newShow(t, r, 12, 48000)
		synctest.Test(t, func(t *testing.T) {
			c := playback.NewChannel(r.name)
			rec := record(t.Context(), c, 0)
			c.Begin(1)
			live(c, s.chunks)
			ended := time.Now()
			c.End()
			if <-rec.done; rec.err != nil {
				t.Errorf("%s: %v", r.name, rec.err)
			}
			if took := time.Since(ended); took > time.Second {
				t.Errorf("%s: over %v after the end", r.name, took)
			}
			if got := frameHashes(t, rec.Bytes(), r.demuxer); !slices.Equal(got, s.hashes) {
				t.Errorf("%s: got %d frames, want %d", r.name, len(got), len(s.hashes))
			}
		})
	}
}

// It ends there too when the station has begun again before the writer came to the end, and when the writer fell out of
// the ring meanwhile.
func TestSlowCopyEndsWithTheStation(t *testing.T) {
	r := recipeOf(t, "mp3")
	s := newShow(t, r, 20, 48000)
	synctest.Test(t, func(t *testing.T) {
		c := playback.NewChannel("begins again")
		c.Begin(1)
		feed(c, s.chunks)
		w := &stalling{stall: time.Minute}
		done := make(chan error)
		go func() { done <- playback.CopyTo(t.Context(), c, w, 0) }()
		synctest.Wait()
		c.End()
		c.Begin(2)
		feed(c, s.chunks)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := frameHashes(t, w.Bytes(), r.demuxer); len(got) >= len(s.hashes) ||
			!slices.Equal(got, s.hashes[len(s.hashes)-len(got):]) {
			t.Errorf("got %d frames, which are not the end of the first %d", len(got), len(s.hashes))
		}
	})
	for _, grace := range []time.Duration{0, playback.EndGrace} {
		synctest.Test(t, func(t *testing.T) {
			c := playback.NewChannel("ends")
			c.Begin(1)
			feed(c, s.chunks)
			w := &stalling{stall: time.Minute}
			done := make(chan error)
			go func() { done <- playback.CopyTo(t.Context(), c, w, grace) }()
			synctest.Wait()
			for epoch := range uint32(40) { // more than the ring holds
				c.Begin(2 + epoch)
				feed(c, s.chunks)
			}
			c.End()
			c.Gap(1)
			feed(c, s.chunks[len(s.chunks)-3:]) // stragglers begin nothing
			began := time.Now()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if took, most := time.Since(began), time.Minute+grace; took > most {
				t.Errorf("grace %v: took %v, want %v at most", grace, took, most)
			}
		})
	}
}

// Other parameters of the same format make a new link of the chain, or the frames just go on.
func TestParametersChange(t *testing.T) {
	for _, name := range []string{"mp3", "aac", "vorbis", "oggflac", "flac"} {
		r := recipeOf(t, name)
		a, b := newShow(t, r, 12, 48000), newShow(t, r, 12, 44100)
		synctest.Test(t, func(t *testing.T) {
			c := playback.NewChannel(r.name)
			rec := record(t.Context(), c, playback.EndGrace)
			c.Begin(1)
			live(c, a.chunks)
			c.Begin(2)
			live(c, b.chunks)
			if rec.over() {
				t.Fatalf("%s: ended: %v", name, rec.err)
			}
			c.Close()
			<-rec.done
			begin := map[string]string{"vorbis": "\x01vorbis", "oggflac": "fLaC"}[name]
			if n := bytes.Count(rec.Bytes(), []byte(begin)); begin != "" && n != 2 {
				t.Errorf("%s: %d stream headers, want 2", name, n)
			}
			first, second := a.hashes, b.hashes
			got := frameHashes(t, rec.Bytes(), r.demuxer)
			headers := len(got) - len(first) - len(second) // ffmpeg counts Vorbis headers in mid-stream as packets
			if headers < 0 || headers > 3 || !slices.Equal(got[:len(first)], first) ||
				!slices.Equal(got[len(first)+headers:], second) {
				t.Errorf("%s: got %d frames, want %d and %d", name, len(got), len(first), len(second))
			}
		})
	}
}

// Another format ends the stream: the Content-Type holds no longer. What comes before is whole.
func TestFormatChanges(t *testing.T) {
	r := recipeOf(t, "opus")
	a, b := newShow(t, r, 12, 48000), newShow(t, recipeOf(t, "mp3"), 12, 48000)
	synctest.Test(t, func(t *testing.T) {
		c := playback.NewChannel("x")
		rec := record(t.Context(), c, playback.EndGrace)
		c.Begin(1)
		live(c, a.chunks)
		c.Begin(2)
		live(c, b.chunks[:4])
		if !rec.over() || rec.err == nil || !strings.Contains(rec.err.Error(), "format") {
			t.Errorf("got %v", rec.err)
		}
		if got, want := frameHashes(t, rec.Bytes(), "ogg"), a.hashes; !slices.Equal(got, want) {
			t.Errorf("got %d frames, want %d", len(got), len(want))
		}
	})
}

// Missing chunks cost their own frames; silence ends nothing.
func TestGapAndSilence(t *testing.T) {
	for _, r := range recipes() {
		s := newShow(t, r, 12, 48000)
		synctest.Test(t, func(t *testing.T) {
			c := playback.NewChannel(r.name)
			rec := record(t.Context(), c, playback.EndGrace)
			c.Begin(1)
			before, after := s.split(5 * time.Second)
			live(c, before)
			time.Sleep(10 * time.Minute)
			if rec.over() {
				t.Fatalf("%s: silence ended it: %v", r.name, rec.err)
			}
			c.Gap(3)
			live(c, after[3:])
			if rec.over() {
				t.Fatalf("%s: ended: %v", r.name, rec.err)
			}
			c.Close()
			<-rec.done
			if i := c.Info(); i.Gaps != 3 || i.Malformed != 0 {
				t.Errorf("%s: got %+v", r.name, i)
			}
			got, want := frameHashes(t, rec.Bytes(), r.demuxer), s.hashes
			if r.name == "vorbis" { // ffmpeg drops a packet after a hole
				return
			}
			lost := len(want) - len(got)
			cut := differ(got, want)
			if lost < 1 || lost > 60 || !slices.Equal(got[cut:], want[cut+lost:]) {
				t.Errorf("%s: got %d of %d frames, differing from %d on", r.name, len(got), len(want), cut)
			}
		})
	}
}

// A few writes a second once a player has its start, none of them late.
func TestBatching(t *testing.T) {
	s := newShow(t, recipeOf(t, "mp3"), 20, 48000)
	synctest.Test(t, func(t *testing.T) {
		c := playback.NewChannel("x")
		rec := record(t.Context(), c, playback.EndGrace)
		c.Begin(1)
		before, after := s.split(8 * time.Second)
		live(c, before)
		synctest.Wait()
		writes := rec.writes.Load()
		live(c, after)
		synctest.Wait()
		if got := float64(rec.writes.Load()-writes) / 12; got < 2 || got > 4.2 {
			t.Errorf("%.1f writes a second, want 2 to 4", got)
		}
		time.Sleep(260 * time.Millisecond)
		synctest.Wait()
		if got, want := int(rec.written.Load()), len(s.file); got != want {
			t.Errorf("%d bytes after everything came, want %d", got, want)
		}
		c.Close()
		<-rec.done
	})
}

// A CopyTo whose writer stalls for longer than the ring goes on afterwards, with a gap.
func TestCopyToSkips(t *testing.T) {
	r := recipeOf(t, "vorbis")
	s := newShow(t, r, 20, 48000)
	synctest.Test(t, func(t *testing.T) {
		c := playback.NewChannel("x")
		w := &stalling{stall: playback.RingDuration + 4*time.Minute}
		done := make(chan error)
		go func() { done <- playback.CopyTo(t.Context(), c, w, playback.EndGrace) }()
		for epoch := range uint32(45) {
			c.Begin(epoch)
			live(c, s.chunks)
		}
		c.Begin(99)
		time.Sleep(3 * time.Minute)
		live(c, s.chunks)
		synctest.Wait()
		c.End()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		want := s.hashes
		got := frameHashes(t, w.Bytes(), "ogg")
		if tail := got[max(0, len(got)-len(want)):]; !slices.Equal(tail, want) {
			t.Errorf("the last show is not whole: %d frames of %d", len(tail), len(want))
		}
		if len(got) > 5*len(want) {
			t.Errorf("%d frames: nothing was skipped", len(got))
		}
	})
}

// A stalling writer takes its time once.
type stalling struct {
	bytes.Buffer
	stall time.Duration
}

func (w *stalling) Write(p []byte) (int, error) {
	time.Sleep(w.stall)
	w.stall = 0
	return w.Buffer.Write(p)
}

var errDisk = errors.New("disk full")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errDisk }

func TestCopyToEnds(t *testing.T) {
	s := newShow(t, recipeOf(t, "mp3"), 12, 48000)
	synctest.Test(t, func(t *testing.T) {
		c := playback.NewChannel("x")
		ctx, cancel := context.WithCancel(t.Context())
		waiting, playing := record(ctx, playback.NewChannel("silent"), playback.EndGrace), record(ctx, c, playback.EndGrace)
		c.Begin(1)
		feed(c, s.chunks)
		if err := playback.CopyTo(ctx, c, broken{}, 0); !errors.Is(err, errDisk) {
			t.Errorf("a writer that fails: got %v", err)
		}
		cancel()
		if !waiting.over() || waiting.err != nil || !playing.over() || playing.err != nil {
			t.Errorf("ctx ended: got %v and %v", waiting.err, playing.err)
		}
		closed := record(t.Context(), c, playback.EndGrace)
		synctest.Wait()
		c.Close()
		c.Close()
		if !closed.over() || closed.err != nil {
			t.Errorf("closed: got %v", closed.err)
		}
	})
}

// The ring is bounded in time, and a player that asks after an end waits for the next beginning.
func TestRing(t *testing.T) {
	s := newShow(t, recipeOf(t, "mp3"), 20, 48000)
	c := playback.NewChannel("as linked")
	if i := c.Info(); i.OnAir || i.Name != "as linked" {
		t.Errorf("before anything: %+v", i)
	}
	for epoch := range uint32(40) {
		c.Begin(epoch)
		feed(c, s.chunks)
	}
	i := c.Info()
	if i.Held < playback.RingDuration-time.Second || i.Held > playback.RingDuration+time.Second {
		t.Errorf("holds %v", i.Held)
	}
	if !i.OnAir || i.Epoch != 39 || i.Header.Codec() != "mp3" || i.BitrateBPS != 128000 {
		t.Errorf("got %+v", i)
	}
	c.End()
	if c.Info().OnAir {
		t.Error("on the air after the end")
	}
	h := playback.NewHandler(playback.Config{
		Tuner: &tuner{channel: c}, Log: slog.New(slog.DiscardHandler), StartWait: 10 * time.Millisecond,
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/listen/"+stationID.String(), nil))
	if w.Code != 503 {
		t.Errorf("a player after the end got %d", w.Code)
	}
	c.Chunk(s.chunks[len(s.chunks)-1]) // a straggler begins nothing
	if c.Info().OnAir {
		t.Error("on the air again without an epoch")
	}
}

// What other nodes send may be anything.
func FuzzChannel(f *testing.F) {
	s := newShow(f, recipeOf(f, "opus"), 12, 48000)
	for _, c := range s.chunks[:3] {
		f.Add(uint8(c.Kind), c.Data)
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		c := playback.NewChannel("x")
		c.Begin(1)
		feed(c, s.chunks[:10])
		c.Chunk(codec.Chunk{Kind: codec.ChunkKind(kind), Data: data})
		c.Gap(1)
		feed(c, s.chunks[10:20])
		c.End()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := playback.CopyTo(ctx, c, &bytes.Buffer{}, 0); err != nil {
			t.Fatal(err)
		}
	})
}
