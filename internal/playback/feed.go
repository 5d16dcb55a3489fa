// SPDX-License-Identifier: MIT

package playback

import (
	"context"
	"errors"
	"fmt"
	"time"

	"streamer/internal/codec"
)

// Why a feed comes to its end though nothing went wrong.
var (
	errFormatChanged = errors.New("the station changed its format")
	errEnded         = errors.New("the station has ended")
	errClosed        = errors.New("the node left the station")
)

// A feed is one player's way through a Channel. Its goroutine owns it.
type feed struct {
	channel *Channel
	place   time.Duration // on the timeline, where it began
	next    uint64        // number of the item that comes next
	passed  time.Duration // of audio that it gave
	taken   []item
	mux     codec.Muxer // nil before begin
	header  codec.Header
	event   codec.Event
	titles  *titler // nil: no ICY blocks
	ended   bool    // the station has, and has not begun again
}

// A delivery says where a feed's bytes go.
type delivery struct {
	write func([]byte) error // the bytes are valid during the call
	grace time.Duration      // stay this long after the station's end; 0 ends there, though more may follow
	skip  bool               // a reader that fell behind goes on at a new start point
}

// openFeed waits for a frame to begin with. The error is ctx's, or errClosed. Call begin before run.
func openFeed(ctx context.Context, c *Channel) (*feed, error) { return openFeedAt(ctx, c, fromLive) }

// openFeedAt is openFeed for a place of the timeline.
func openFeedAt(ctx context.Context, c *Channel, from time.Duration) (*feed, error) {
	for {
		c.mu.Lock()
		number, s, ok := c.place(from)
		at := time.Duration(0)
		if ok {
			at = c.at(number)
		}
		changed, closed := c.changed, c.closed
		c.mu.Unlock()
		switch {
		case closed:
			return nil, errClosed
		case ok:
			return &feed{channel: c, place: at, next: number, header: *s.header, event: s.event}, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// begin makes the muxer. A player that gets titles in ICY blocks gets none in the codec's headers: mpv and GStreamer would
// show that one for ever.
func (f *feed) begin(icy bool) error {
	if icy {
		f.titles = newTitler(titleOf(f.event))
	}
	return f.newMuxer()
}

func (f *feed) newMuxer() error {
	e := f.event
	if f.titles != nil {
		e.Title, e.Artist, e.Album = "", "", ""
	}
	mux, err := codec.NewMuxer(f.header, e)
	if err != nil {
		return fmt.Errorf("make a stream for players: %w", err)
	}
	f.mux = mux
	return nil
}

// run delivers the station from the feed's place on until it ends, ctx is done, or nobody takes it. It always returns an
// error that says why.
func (f *feed) run(ctx context.Context, d delivery) error {
	began := time.Now()
	out := f.titles.append(nil, f.mux.Start(nil))
	for {
		changed, err := f.fill(&out, d)
		wrote := time.Now()
		if len(out) > 0 {
			if werr := d.write(out); werr != nil {
				return werr
			}
			out = out[:0]
		}
		if err != nil {
			return err
		}
		if changed == nil {
			// There is more at once.
			if err := pause(ctx, f.passed-leadMax-time.Since(began)); err != nil {
				return err
			}
			continue
		}
		if err := f.wait(ctx, changed, d.grace); err != nil {
			if errors.Is(err, errEnded) {
				return errors.Join(err, d.write(f.titles.append(nil, f.mux.End(nil))))
			}
			return err
		}
		if time.Since(began) > batchAfter {
			if err := pause(ctx, batchEvery-time.Since(wrote)); err != nil {
				return err
			}
		}
	}
}

// fill appends the bytes of what is in the Channel, at most about batchBytesMax. When that was all, it returns the
// channel that is closed when there is more.
func (f *feed) fill(out *[]byte, d delivery) (<-chan struct{}, error) {
	changed, err := f.take()
	if errors.Is(err, ErrBehind) && d.skip {
		err = f.rejoin()
	}
	if err != nil {
		return nil, err
	}
	var raw []byte
	for i, it := range f.taken {
		if it.kind == itemEnd && d.grace == 0 {
			*out = f.titles.append(*out, f.mux.End(nil))
			return nil, errEnded
		}
		if raw, err = f.append(raw[:0], it); err == nil && i == len(f.taken)-1 && changed != nil {
			raw = f.mux.Flush(raw)
		}
		*out = f.titles.append(*out, raw)
		if err != nil {
			return nil, err
		}
		if it.kind == codec.ItemEvent {
			f.titles.set(titleOf(*it.event))
		}
	}
	return changed, nil
}

// take moves the next items into f.taken. When they are the last ones, it returns the channel that is closed when there
// are more.
func (f *feed) take() (<-chan struct{}, error) {
	c := f.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(f.taken)
	f.taken = f.taken[:0]
	if c.closed {
		return nil, errClosed
	}
	if f.next < c.first {
		return nil, ErrBehind
	}
	rest := c.items[f.next-c.first:]
	n, size := 0, 0
	for n < len(rest) && size < batchBytesMax {
		size += len(rest[n].data)
		n++
	}
	f.taken = append(f.taken, rest[:n]...)
	f.next += uint64(n)
	if n < len(rest) {
		return nil, nil
	}
	return c.changed, nil
}

// append appends what the player gets for one item.
func (f *feed) append(dst []byte, it item) ([]byte, error) {
	switch it.kind {
	case codec.ItemFrame:
		f.passed += it.duration
		return f.mux.Frame(dst, codec.Frame{Data: it.data, Samples: int(it.samples)}), nil
	case codec.ItemGap:
		return f.mux.Gap(dst), nil
	case codec.ItemEvent:
		f.event = *it.event
	case codec.ItemHeader:
		f.ended = false
		return f.change(dst, *it.header)
	case itemEnd:
		f.ended = true
	}
	return dst, nil
}

// change goes on with another header: as if nothing had happened where it is equal or where every frame says all about
// itself, else as a new link of the chain in Ogg and as a second file after the first in WebM, which more players follow
// than come back after an end. Another format ends the response, since its Content-Type holds no longer
// (docs/decisions/0005-end-of-a-response.md).
func (f *feed) change(dst []byte, h codec.Header) ([]byte, error) {
	if h.Equal(f.header) {
		return dst, nil
	}
	same := h.Format == f.header.Format
	if same && (h.Format == codec.FormatMPEG || h.Format == codec.FormatAAC || h.Format == codec.FormatFLAC) {
		f.header = h
		return dst, nil
	}
	dst = f.mux.End(dst)
	if !same {
		return dst, errFormatChanged
	}
	f.header = h
	if err := f.newMuxer(); err != nil {
		return dst, err
	}
	return f.mux.Start(dst), nil
}

// rejoin goes on at a new start point, with a gap for what was missed; at its end when the station has ended.
func (f *feed) rejoin() error {
	c := f.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	number, s, ok := c.start()
	if !ok {
		number = c.first + uint64(c.endOr(len(c.items)))
		f.taken = append(f.taken, item{kind: codec.ItemGap})
	} else {
		f.taken = append(f.taken, item{kind: codec.ItemGap}, item{kind: codec.ItemHeader, header: s.header},
			item{kind: codec.ItemEvent, event: &s.event})
	}
	f.next = number
	return nil
}

// wait waits for changed; after the station's end for grace at most.
func (f *feed) wait(ctx context.Context, changed <-chan struct{}, grace time.Duration) error {
	var over <-chan time.Time
	if f.ended {
		t := time.NewTimer(grace)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-changed:
		return nil
	case <-over:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
