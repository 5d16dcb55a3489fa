// SPDX-License-Identifier: MIT

package playback

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"streamer/internal/codec"
)

// TitlesMax is how many titles a Channel remembers, those before the audio held among them.
const TitlesMax = 50

const (
	// leadMax is how far ahead of real time a player gets audio: who begins ten minutes ago shall not be given all of them at
	// once, and then take nothing for as long as a pause that ends a response.
	leadMax    = 30 * time.Second
	fromLive   = time.Duration(-1) // no place: where one who joins now begins
	fromMSMax  = int64(1) << 40    // 34 years
	firstTitle = 10 * time.Second  // a title so early was on when the Channel began, most likely
)

// A Timeline says what part of a station can be played, in audio that came since the Channel was made.
type Timeline struct {
	From time.Duration // the oldest that is held
	Live time.Duration // where a player begins that asks for no place
}

// Timeline returns the part that is held; ok is false when there is none.
func (c *Channel) Timeline() (t Timeline, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.length == 0 {
		return Timeline{}, false
	}
	t = Timeline{From: c.passed, Live: c.passed + c.length}
	if number, _, ok := c.start(); ok {
		t.Live = c.at(number)
	}
	return t, true
}

// A Title is one that a station had on its timeline.
type Title struct {
	At     time.Duration // where it begins
	Heard  time.Time     // when it came
	Text   string        // as players show it: "Artist - Title"
	Title  string
	Artist string
}

// Titles returns what the station played, the oldest first.
func (c *Channel) Titles() []Title {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.titles)
}

// noteTitle keeps the title of an event that comes now. c.mu is held.
func (c *Channel) noteTitle(e codec.Event) {
	t := Title{At: c.passed + c.length, Heard: time.Now(), Text: titleOf(e), Title: e.Title, Artist: e.Artist}
	n := len(c.titles)
	if t.Text == "" || n > 0 && c.titles[n-1].Text == t.Text {
		return
	}
	if n == 0 && t.At < firstTitle {
		t.At = 0
	}
	if n == TitlesMax {
		c.titles = slices.Delete(c.titles, 0, 1)
	}
	c.titles = append(c.titles, t)
}

// at is where an item of the ring begins. c.mu is held.
func (c *Channel) at(number uint64) time.Duration {
	at := c.passed
	for _, it := range c.items[:number-c.first] {
		at += it.duration
	}
	return at
}

// place finds where a player begins that asked for a place: at the next frame that can be joined. Beyond all that is held
// it is where everybody begins. c.mu is held.
func (c *Channel) place(from time.Duration) (number uint64, s state, ok bool) {
	if from == fromLive || from > c.passed+c.length {
		return c.start()
	}
	s = c.before
	at := c.passed
	for i, it := range c.items {
		s.apply(it)
		if at >= from && c.joins(i, s) {
			return c.first + uint64(i), s.titled(c, i), true
		}
		at += it.duration
	}
	return c.start()
}

// joins reports whether a player can begin at items[i], where s holds.
func (c *Channel) joins(i int, s state) bool {
	it := &c.items[i]
	return it.kind == codec.ItemFrame && s.header != nil && s.header.JoinsAt(codec.Frame{Data: it.data, Samples: int(it.samples)})
}

// titled is s for one who begins at items[i]: a late joiner learns the title within seconds, so it is most likely the next.
func (s state) titled(c *Channel, i int) state {
	if s.event == (codec.Event{}) {
		s.event = c.nextEvent(i)
	}
	return s
}

var errFrom = errors.New("from= is a place on the station's timeline, in milliseconds from 0 up: see tuned[].timeline in /api/v1/status")

// wantedPlace is the place that a request asks for.
func wantedPlace(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("from")
	if text == "" {
		return fromLive, nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 {
		return 0, errFrom
	}
	return time.Duration(min(ms, fromMSMax)) * time.Millisecond, nil
}
