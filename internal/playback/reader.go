// SPDX-License-Identifier: MIT

package playback

import (
	"context"
	"errors"
	"io"
	"time"

	"streamer/internal/codec"
)

// A Reader gives a station's frames, headers and events from the place where a player would begin. It is for players inside
// the program. One goroutine owns it.
type Reader struct {
	channel *Channel
	grace   time.Duration
	feed    *feed // nil before the first frame has come
	items   []codec.Item
	head    int
}

// NewReader makes a Reader, which goes on after the station's end when the broadcaster comes back within grace.
func NewReader(c *Channel, grace time.Duration) *Reader { return &Reader{channel: c, grace: grace} }

// Next returns the next item, and waits for it; what a slow reader missed is an ItemGap. io.EOF says that the station has
// ended or that the node has left it. What the item refers to is shared: it must not be altered.
func (r *Reader) Next(ctx context.Context) (codec.Item, error) {
	for r.head == len(r.items) {
		if err := r.more(ctx); errors.Is(err, errEnded) || errors.Is(err, errClosed) {
			return codec.Item{}, io.EOF
		} else if err != nil {
			return codec.Item{}, err
		}
	}
	it := r.items[r.head]
	r.items[r.head] = codec.Item{}
	r.head++
	return it, nil
}

// more waits for the next items.
func (r *Reader) more(ctx context.Context) error {
	r.items, r.head = r.items[:0], 0
	f := r.feed
	if f == nil {
		var err error
		if f, err = openFeed(ctx, r.channel); err != nil {
			return err
		}
		r.feed = f
		r.items = append(r.items, codec.Item{Kind: codec.ItemHeader, Header: f.header}, codec.Item{Kind: codec.ItemEvent, Event: f.event})
		return nil
	}
	changed, err := f.take()
	if errors.Is(err, ErrBehind) {
		err = f.rejoin()
	}
	if err != nil {
		return err
	}
	for _, it := range f.taken {
		r.items = append(r.items, f.public(it))
	}
	if len(r.items) == 0 && changed != nil {
		return f.wait(ctx, changed, r.grace)
	}
	return nil
}

// public makes a codec.Item of it, and a gap of the station's end.
func (f *feed) public(it item) codec.Item {
	out := codec.Item{Kind: it.kind}
	switch it.kind {
	case codec.ItemHeader:
		f.ended = false
		out.Header = *it.header
	case codec.ItemFrame:
		out.Frame = codec.Frame{Data: it.data, Samples: int(it.samples)}
	case codec.ItemEvent:
		out.Event = *it.event
	case itemEnd:
		f.ended = true
		out.Kind = codec.ItemGap
	case codec.ItemGap:
	}
	return out
}
