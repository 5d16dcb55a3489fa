// SPDX-License-Identifier: MIT

package playback

import (
	"slices"
	"sync"
	"time"

	"streamer/internal/codec"
)

// A Channel is the last minutes of one station, as items in stream order.
type Channel struct {
	name string

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when there is something new
	parser  *codec.Depacketizer
	items   []item
	first   uint64 // number of items[0]; numbers count on for ever
	bytes   int    // of items
	length  time.Duration
	passed  time.Duration // of all that was dropped before items[0]
	before  state         // what holds before items[0]
	titles  []Title       // TitlesMax at most
	now     state         // what holds after the last item
	closed  bool
	epoch   uint32
	gaps    uint64 // chunks reported missing
}

// A state is what a player must know to begin at some place of the stream.
type state struct {
	header *codec.Header // nil: none yet, or the station has ended
	event  codec.Event
}

// itemEnd is the end that the broadcaster signed; the other kinds are codec's.
const itemEnd codec.ItemKind = 255

// An item is a codec.Item made small: ten minutes hold tens of thousands.
type item struct {
	kind     codec.ItemKind
	samples  int32
	duration time.Duration
	data     []byte
	header   *codec.Header
	event    *codec.Event
}

// NewChannel makes the Channel of a station that is called name until it says so itself.
func NewChannel(name string) *Channel {
	return &Channel{name: name, changed: make(chan struct{}), parser: codec.NewDepacketizer()}
}

// Begin starts the station's next epoch: its header chunks follow.
func (c *Channel) Begin(epoch uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parser.Reset()
	c.epoch = epoch
}

// Chunk adds the next chunk of the epoch. Its data is kept.
func (c *Channel) Chunk(chunk codec.Chunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parser.Write(chunk)
	c.drain()
}

// Put adds an item that came by another way than in chunks. What it refers to is kept.
func (c *Channel) Put(it codec.Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(it)
	c.wake()
}

// Gap says that n chunks are missing here for good.
func (c *Channel) Gap(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gaps += uint64(max(n, 0))
	c.parser.Gap()
	c.drain()
}

// End says that the broadcaster signed the end of the stream. Begin starts it again.
func (c *Channel) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now.header == nil {
		return
	}
	c.add(item{kind: itemEnd})
	c.wake()
}

// Close ends every reader: the node has left the station. Later calls do nothing.
func (c *Channel) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.wake()
	}
}

// Info is what a Channel knows about its station.
type Info struct {
	Name       string // as the station says, or as it was called in NewChannel
	Event      codec.Event
	Header     codec.Header // Format is codec.FormatUnknown before anything was heard
	OnAir      bool         // a header has come and no end since
	Epoch      uint32
	BitrateBPS int64         // nominal or, where the header gives none, that of the audio held; 0 unknown
	Held       time.Duration // audio in the ring
	Gaps       uint64        // chunks that never came
	Malformed  uint64        // chunks that made no sense
}

// Title is the title as players show it: "Artist - Title".
func (i Info) Title() string { return titleOf(i.Event) }

// Info returns what is known now.
func (c *Channel) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	info := Info{
		Name: c.name, Event: c.now.event, OnAir: c.now.header != nil, Epoch: c.epoch,
		Held: c.length, Gaps: c.gaps, Malformed: c.parser.Malformed(),
	}
	if info.Event.StationName != "" {
		info.Name = info.Event.StationName
	}
	if c.now.header != nil {
		info.Header = *c.now.header
		info.BitrateBPS = int64(info.Header.BitrateBPS)
	}
	if info.BitrateBPS == 0 && c.length >= time.Second {
		info.BitrateBPS = int64(c.bytes) * 8 * int64(time.Second) / int64(c.length)
	}
	return info
}

// drain moves what the parser has found into the ring. c.mu is held.
func (c *Channel) drain() {
	found := false
	for {
		it, ok := c.parser.Next()
		if !ok {
			break
		}
		found = true
		c.put(it)
	}
	if found {
		c.wake()
	}
}

// put adds one item. c.mu is held.
func (c *Channel) put(it codec.Item) {
	switch it.Kind {
	case codec.ItemHeader:
		c.add(item{kind: codec.ItemHeader, header: &it.Header})
	case codec.ItemFrame:
		c.addFrame(it.Frame)
	case codec.ItemEvent:
		if it.Event != c.now.event {
			c.noteTitle(it.Event)
			c.add(item{kind: codec.ItemEvent, event: &it.Event})
		}
	case codec.ItemGap:
		c.add(item{kind: codec.ItemGap})
	}
}

func (c *Channel) addFrame(f codec.Frame) {
	if c.now.header == nil {
		return // the station has ended; Begin and a header come first
	}
	d := time.Duration(f.Samples) * time.Second / time.Duration(max(c.now.header.SampleRate, 1))
	c.add(item{kind: codec.ItemFrame, samples: int32(f.Samples), duration: d, data: f.Data})
}

// add appends an item and drops the oldest ones beyond the limits. c.mu is held.
func (c *Channel) add(it item) {
	c.items = append(c.items, it)
	c.bytes += len(it.data)
	c.length += it.duration
	c.now.apply(it)
	for len(c.items) > 1 && (c.length-c.items[0].duration >= RingDuration || c.bytes > RingBytesMax ||
		len(c.items) > ringItemsMax) {
		old := c.items[0]
		c.before.apply(old)
		c.bytes -= len(old.data)
		c.length -= old.duration
		c.passed += old.duration
		c.items[0] = item{}
		c.items = c.items[1:]
		c.first++
	}
}

// wake tells every reader to look. c.mu is held.
func (c *Channel) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// apply moves a state over one item.
func (s *state) apply(it item) {
	switch it.kind {
	case codec.ItemHeader:
		s.header = it.header
	case codec.ItemEvent:
		s.event = *it.event
	case itemEnd:
		s.header = nil
	case codec.ItemFrame, codec.ItemGap:
	}
}

// start finds where a player begins that joins now: behind the newest frame by StartBehind, or at the oldest frame of
// the current stream, at a frame that can be joined. It returns the number of that frame's item and what holds there.
// When there is none yet, ok is false. c.mu is held.
func (c *Channel) start() (number uint64, s state, ok bool) {
	if c.now.header == nil {
		return 0, state{}, false
	}
	from := len(c.items)
	for length := time.Duration(0); from > 0 && length < StartBehind; from-- {
		it := c.items[from-1]
		if it.kind == itemEnd || it.kind == codec.ItemHeader && !it.header.Equal(*c.now.header) {
			break
		}
		length += it.duration
	}
	s = c.before
	for i, it := range c.items {
		s.apply(it)
		if i >= from && c.joins(i, s) && s.header.Equal(*c.now.header) {
			return c.first + uint64(i), s.titled(c, i), true
		}
	}
	return 0, state{}, false
}

// endOr returns the index of the end that the station is at, or instead. c.mu is held.
func (c *Channel) endOr(instead int) int {
	if c.now.header == nil {
		for i, it := range slices.Backward(c.items) {
			if it.kind == itemEnd {
				return i
			}
		}
	}
	return instead
}

// nextEvent returns the first event at or after items[i].
func (c *Channel) nextEvent(i int) codec.Event {
	for _, it := range c.items[i:] {
		if it.kind == codec.ItemEvent {
			return *it.event
		}
	}
	return codec.Event{}
}
