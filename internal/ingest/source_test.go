// SPDX-License-Identifier: MIT

package ingest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"streamer/internal/codec"
	"streamer/internal/ingest"
)

// stream sends audio in real time, as a tool does: a piece every 100 ms.
func (c *caller) stream(audio []byte, piece int) {
	for len(audio) > 0 {
		n := min(piece, len(audio))
		_, _ = c.Write(audio[:n])
		audio = audio[n:]
		time.Sleep(100 * time.Millisecond)
	}
}

const realTime = 1600 // bytes in 100 ms at 128 kbit/s

func TestEveryFrameIsPublished(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		audio := mp3Frames(200, 1)
		c := r.logIn("ice-bitrate: 128")
		c.stream(audio, realTime)
		_ = c.Close()
		synctest.Wait()
		if got, want := r.hashes(), mp3Hashes(audio); !slices.Equal(got, want) {
			t.Errorf("%d frames published, want the %d sent", len(got), len(want))
		}
		h := r.epochs[0].header
		if h.Format != codec.FormatMPEG || h.SampleRate != 44100 || h.Channels != 2 || h.BitrateBPS != 128000 {
			t.Errorf("header %+v", h)
		}
		s := r.server.Status()
		if s.Live() || s.LastError != "" || s.Format != codec.FormatMPEG || s.Bytes < uint64(len(audio)) || s.Sources != 1 {
			t.Errorf("status %+v", s)
		}
		if r.waits != 1 {
			t.Errorf("Waiting was called %d times, want 1", r.waits)
		}
	})
}

func TestChunkedBody(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		audio := mp3Frames(100, 2)
		c := r.logIn("Transfer-Encoding: chunked")
		for i, rest := 0, audio; len(rest) > 0; i++ {
			n := min(1+i*97%700, len(rest))
			size := fmt.Sprintf("%X\r\n", n)
			if i%2 == 1 {
				size = fmt.Sprintf("%x;ext=1\r\n", n)
			}
			c.say(size + string(rest[:n]) + "\r\n")
			rest = rest[n:]
		}
		c.say("0\r\n\r\n")
		time.Sleep(3 * time.Second)
		if got, want := r.hashes(), mp3Hashes(audio); !slices.Equal(got, want) {
			t.Errorf("%d frames published, want the %d sent", len(got), len(want))
		}
		if !c.isClosed() {
			t.Error("the connection is open after the last chunk")
		}
	})
}

func TestBodyWithLength(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		audio := mp3Frames(50, 3)
		c := r.logIn(fmt.Sprintf("Content-Length: %d", len(audio)))
		c.stream(append(slices.Clone(audio), "GET / HTTP/1.1\r\n\r\n"...), realTime)
		if got, want := r.hashes(), mp3Hashes(audio); !slices.Equal(got, want) {
			t.Errorf("%d frames published, want the %d sent", len(got), len(want))
		}
		if !c.isClosed() {
			t.Error("the connection is open after the length")
		}
	})
}

// A tool at full speed is not read further than two seconds ahead of time.
func TestBackPressure(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		const frames = 1200 // 31.3 s
		audio := mp3Frames(frames, 4)
		c := r.logIn()
		begin := time.Now()
		if _, err := c.Write(audio); err != nil { // returns when the last byte was read
			t.Fatal(err)
		}
		_ = c.Close()
		r.await(t, "the end", func() bool { return r.waits > 0 })
		length := frames * mp3FrameTime
		if took := time.Since(begin); took < length-ingest.AheadMax-500*time.Millisecond || took > length {
			t.Errorf("%v of audio took %v, want %v less", length, took, ingest.AheadMax)
		}
		e := r.epochs[0]
		chunks, at := e.audio()
		for i, chunk := range chunks {
			if ahead := chunk.Start - at[i].Sub(begin); ahead > ingest.AheadMax || ahead < 0 {
				t.Fatalf("chunk %d at media time %v was published at %v", i, chunk.Start, at[i].Sub(begin))
			}
		}
		if len(e.frames) != frames {
			t.Errorf("%d frames published, want %d", len(e.frames), frames)
		}
		if e.published() > length+time.Millisecond {
			t.Errorf("media time %v at the end, want %v: no jump", e.published(), length)
		}
	})
}

// A source that stalls for more than 1.5 s makes media time jump; less does not.
func TestStall(t *testing.T) {
	for _, tt := range []struct {
		stall time.Duration
		jumps bool
	}{{time.Second, false}, {5 * time.Second, true}} {
		t.Run(tt.stall.String(), func(t *testing.T) {
			inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
				audio := mp3Frames(154, 5) // 4.0 s
				c := r.logIn()
				defer c.Close()
				half := 77 * mp3FrameBytes
				c.stream(audio[:half], realTime)
				time.Sleep(tt.stall)
				c.stream(audio[half:], realTime)
				_ = c.Close()
				synctest.Wait()
				chunks, at := r.epochs[0].audio()
				begin := at[0]
				jumped := false
				for i := 1; i < len(chunks); i++ {
					if gap := chunks[i].Start - chunks[i-1].Start - chunks[i-1].Duration; gap > time.Second {
						jumped = true
					} else if gap < -time.Millisecond || gap > time.Millisecond {
						t.Errorf("chunk %d begins %v after the end of the one before", i, gap)
					}
					if late := at[i].Sub(begin) - chunks[i].Start; late > 1600*time.Millisecond {
						t.Errorf("chunk %d is %v late", i, late)
					}
				}
				if jumped != tt.jumps {
					t.Errorf("media time jumped: %v, want %v", jumped, tt.jumps)
				}
				if len(r.epochs) != 1 || len(r.frames()) != 154 {
					t.Errorf("%d epochs, %d frames", len(r.epochs), len(r.frames()))
				}
			})
		})
	}
}

// What waits for its chunk to become full goes out when the source pauses, as between the pages of Ogg.
func TestPauseFlushes(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		c := r.logIn()
		defer c.Close()
		audio := mp3Frames(21, 6)
		c.say(string(audio))
		before := len(r.frames())
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		if after := len(r.frames()); after <= before || after < 20 {
			t.Errorf("%d of 21 frames published at once, %d after a pause", before, after)
		}
	})
}

func TestSilentSourceIsDropped(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		c := r.logIn()
		c.stream(mp3Frames(50, 7), realTime)
		begin := time.Now()
		r.await(t, "the end of a silent source", func() bool { return r.waits == 1 })
		if took := time.Since(begin); took < ingest.SourceTimeout-200*time.Millisecond || took > ingest.SourceTimeout {
			t.Errorf("gone after %v, want %v", took, ingest.SourceTimeout)
		}
		if s := r.server.Status(); s.Live() || !strings.Contains(s.LastError, "sent nothing for 15s") || s.ErrorAt.IsZero() {
			t.Errorf("status %+v", s)
		}
		if !c.isClosed() {
			t.Error("its connection is still open")
		}
	})
}

// DarkIce sends one page per 5.2 s of silence.
func TestSlowSourceStays(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		c := r.logIn()
		defer c.Close()
		for i := range 6 {
			c.say(string(mp3Frames(4, uint64(i))))
			time.Sleep(14 * time.Second)
		}
		if !r.server.Status().Live() || r.waits != 0 {
			t.Error("a source that sends every 14 s was dropped")
		}
	})
}

func TestReconnect(t *testing.T) {
	mp3at48 := [4]byte{0xFF, 0xFB, 0x94, 0x04} // 48 kHz
	for _, tt := range []struct {
		name   string
		second []byte
		epochs int
	}{
		{"the same stream", mp3Frames(80, 9), 1},
		{"the same stream, from mid-frame", mp3Frames(80, 9)[100:], 1},
		{"another sample rate", mpegFrames(80, 9, mp3at48, 384), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
				c := r.logIn()
				begin := time.Now()
				c.stream(mp3Frames(80, 8)[:80*mp3FrameBytes-50], realTime) // cut off in mid-frame
				_ = c.Close()
				synctest.Wait()
				if r.waits != 1 {
					t.Fatal("Waiting was not called")
				}
				time.Sleep(4 * time.Second)
				c = r.logIn()
				defer c.Close()
				c.stream(tt.second, realTime)
				_ = c.Close()
				synctest.Wait()
				if len(r.epochs) != tt.epochs {
					t.Fatalf("%d epochs, want %d", len(r.epochs), tt.epochs)
				}
				if got := len(r.frames()); got < 79+79 || got > 160 {
					t.Errorf("%d frames, want those of both connections", got)
				}
				if tt.epochs == 1 {
					chunks, at := r.epochs[0].audio()
					last := len(chunks) - 1
					if late := at[last].Sub(begin) - chunks[last].Start; late > time.Second || late < -time.Second {
						t.Errorf("after the reconnect media time is %v behind the clock", late)
					}
				}
			})
		})
	}
}

func TestSecondSourceIsRefused(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		first := r.logIn()
		first.say(string(mp3Frames(10, 1)))
		for _, tt := range []struct{ say, answer string }{
			{"SOURCE /live HTTP/1.0\r\n" + basic + "\r\n", "HTTP/1.0 403 Forbidden\r\n"},
			{"PUT /other HTTP/1.1\r\nExpect: 100-continue\r\n" + basic + "\r\n", "HTTP/1.0 403 Forbidden\r\n"},
			{"hackme\r\n", "stream in use\r\n"},
			{"SOURCE hackme /live\n\n", "ERROR - Mount point taken\r\n"},
		} {
			c := r.call()
			got := c.say(tt.say)
			time.Sleep(time.Second)
			got += c.heard()
			if !strings.HasPrefix(got, tt.answer) {
				t.Errorf("%q: answer %q, want %q", tt.say, got, tt.answer)
			}
			if strings.Contains(got, "403") && !strings.Contains(got, "mount in use") {
				t.Errorf("answer %q does not say why", got)
			}
			if !c.isClosed() {
				t.Error("the refused connection is open")
			}
		}
		_ = first.Close()
		synctest.Wait()
		defer r.logIn().Close()
	})
}

// A tool that comes back at once is not refused because the end of its last connection is not read yet.
func TestReconnectAtOnce(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		first := r.logIn()
		first.stream(mp3Frames(40, 1), realTime)
		go func() {
			time.Sleep(900 * time.Millisecond)
			_ = first.Close()
		}()
		c := r.call()
		defer c.Close()
		c.say("SOURCE /live HTTP/1.0\r\n" + basic + "\r\n")
		time.Sleep(950 * time.Millisecond)
		if got := c.heard(); got != ok10 {
			t.Errorf("answer %q", got)
		}
	})
}

// A source whose line died keeps its mount for ten seconds of silence.
func TestDeadSourceGivesWay(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		dead := r.logIn()
		dead.say(string(mp3Frames(10, 1)))
		time.Sleep(9 * time.Second)
		c := r.call()
		c.say("SOURCE /live HTTP/1.0\r\n" + basic + "\r\n")
		time.Sleep(time.Second)
		if got := c.heard(); !strings.HasPrefix(got, "HTTP/1.0 403 ") {
			t.Fatalf("after 9 s: %q", got)
		}
		time.Sleep(100 * time.Millisecond)
		next := r.logIn("User-Agent: next")
		defer next.Close()
		if !dead.isClosed() {
			t.Error("the dead source is still connected")
		}
		if s := r.server.Status(); !s.Live() || s.Agent != "next" || !strings.Contains(s.LastError, "gave way") {
			t.Errorf("status %+v", s)
		}
		next.stream(mp3Frames(40, 2), realTime)
		if len(r.epochs) != 1 || len(r.frames()) < 45 {
			t.Errorf("%d epochs, %d frames", len(r.epochs), len(r.frames()))
		}
	})
}

// A source that is held back because it is ahead of time is not silent.
func TestFastSourceIsNotSilent(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		fast := r.logIn()
		go func() { _, _ = fast.Write(mp3Frames(2000, 1)) }()
		time.Sleep(20 * time.Second)
		c := r.call()
		c.say("SOURCE /live HTTP/1.0\r\n" + basic + "\r\n")
		time.Sleep(time.Second)
		if got := c.heard(); !strings.HasPrefix(got, "HTTP/1.0 403 ") {
			t.Errorf("a second source was taken: %q", got)
		}
		_ = fast.Close()
	})
}

func TestForeignFormatIsRefused(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		wav := "RIFF\x24\x00\x00\x7fWAVEfmt \x10\x00\x00\x00\x01\x00\x02\x00\x44\xac\x00\x00" + strings.Repeat("\x00", 4096)
		c := r.logIn()
		c.say(wav)
		if !c.isClosed() {
			t.Error("the connection is open")
		}
		s := r.server.Status()
		if s.Live() || !strings.Contains(strings.ToUpper(s.LastError), "WAV") {
			t.Errorf("status %+v", s)
		}
		// The next one is heard.
		c = r.logIn()
		c.stream(mp3Frames(40, 2), realTime)
		_ = c.Close()
		synctest.Wait()
		if len(r.frames()) != 40 {
			t.Errorf("%d frames after the refusal, want 40", len(r.frames()))
		}
	})
}

func TestStationThatIsGone(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		r.refuse = errors.New("the daemon is stopping")
		c := r.logIn()
		c.say(string(mp3Frames(10, 1)))
		if !c.isClosed() {
			t.Error("the source is still read")
		}
	})
}

func TestServeEndsWithEverything(t *testing.T) {
	inRig(t, ingest.ServerConfig{}, func(t *testing.T, r *rig) {
		source := r.logIn()
		go func() { _, _ = source.Write(mp3Frames(2000, 1)) }()
		silent := r.call()
		time.Sleep(5 * time.Second)
		begin := time.Now()
		r.stop()
		if took := time.Since(begin); took > 0 {
			t.Errorf("took %v to stop", took)
		}
		if !source.isClosed() || !silent.isClosed() {
			t.Error("a connection is open")
		}
	})
}
