// SPDX-License-Identifier: MIT

package ingest_test

import (
	"crypto/md5"
	"encoding/hex"
	"log/slog"
	"sync"
	"testing"
	"time"

	"streamer/internal/codec"
)

// A station remembers what a source published, epoch by epoch. It is safe for use by several goroutines.
type station struct {
	mu      sync.Mutex
	epochs  []*epoch
	info    codec.Event
	waits   int
	changed chan struct{} // closed and replaced at each change

	refuse error // what Publish answers
}

// An epoch is one header and what came under it, as a listener would see it.
type epoch struct {
	header codec.Header
	chunks []codec.Chunk
	at     []time.Time // when each chunk was published
	frames []codec.Frame
	titles []codec.Event // each differs from the one before
	depack *codec.Depacketizer
}

func newStation() *station { return &station{changed: make(chan struct{})} }

func (s *station) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *station) Begin(h codec.Header) error {
	s.change(func() { s.epochs = append(s.epochs, &epoch{header: h, depack: codec.NewDepacketizer()}) })
	return s.refuse
}

func (s *station) Publish(c codec.Chunk) error {
	s.change(func() {
		e := s.epochs[len(s.epochs)-1]
		e.chunks = append(e.chunks, c)
		e.at = append(e.at, time.Now())
		e.depack.Write(c)
		for item, ok := e.depack.Next(); ok; item, ok = e.depack.Next() {
			switch item.Kind {
			case codec.ItemFrame:
				e.frames = append(e.frames, item.Frame)
			case codec.ItemEvent:
				if n := len(e.titles); n == 0 || e.titles[n-1] != item.Event {
					e.titles = append(e.titles, item.Event)
				}
			case codec.ItemHeader, codec.ItemGap:
			}
		}
	})
	return s.refuse
}

func (s *station) Info(e codec.Event) { s.change(func() { s.info = e }) }
func (s *station) Waiting()           { s.change(func() { s.waits++ }) }

// await returns once ok says so; it is called with the station locked, after each change.
func (s *station) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		done, changed := ok(), s.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited 20 s for %s", what)
		}
	}
}

// frames returns the frames of all epochs.
func (s *station) frames() []codec.Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []codec.Frame
	for _, e := range s.epochs {
		all = append(all, e.frames...)
	}
	return all
}

func (s *station) hashes() []string {
	var all []string
	for _, f := range s.frames() {
		sum := md5.Sum(f.Data)
		all = append(all, hex.EncodeToString(sum[:]))
	}
	return all
}

// titles returns the track fields in the order in which they went on the air.
func (s *station) titles() []codec.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []codec.Event
	for _, e := range s.epochs {
		for _, title := range e.titles {
			all = append(all, codec.Event{Title: title.Title, Artist: title.Artist, Album: title.Album})
		}
	}
	return all
}

// testLog writes what is logged to the test's output.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
