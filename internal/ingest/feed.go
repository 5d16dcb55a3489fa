// SPDX-License-Identifier: MIT

package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"streamer/internal/codec"
)

// errStation is wrapped by what a Station answers: no other source would do better.
var errStation = errors.New("station")

// A feed makes the bytes of one source after another into the chunks of one station. One goroutine at a time runs it; only
// retitle and the meter are safe from others.
//
// Media time follows the wall clock: a source that is ahead of it is not read, one that fell behind jumps.
type feed struct {
	station Station
	own     codec.Event // the broadcaster's own words, which win
	meter   *meter

	demux   *codec.Demuxer
	packets *codec.Packetizer
	header  codec.Header // of the epoch; the next one when begun is false
	begun   bool         // header is on the air
	origin  time.Time    // wall time of media time 0
	frames  uint64       // since the feed was made
	refused bool         // the demuxer is stuck at an error

	info     codec.Event // station fields, from source and broadcaster
	track    codec.Event // track fields of the moment
	fallback codec.Event // track fields for a track that names none
	dirty    bool        // info or track changed: an event goes ahead of the next frame
	claimed  int         // bit rate that the source named, bit/s
	titles   atomic.Pointer[codec.Event]
}

func newFeed(station Station, own codec.Event, m *meter) *feed {
	return &feed{
		station: station, own: own, meter: m, info: mergeInfo(own, codec.Event{}),
		demux: codec.NewDemuxer(), packets: codec.NewPacketizer(),
	}
}

// A source is what a feed needs to know of the next connection or file beside its bytes.
type source struct {
	info     codec.Event // station fields
	fallback codec.Event // track fields for when the stream names none
	bitrate  int         // bit/s, 0 unknown
	resumes  bool        // may go on in mid-frame where the one before was cut off
}

// start prepares for the bytes of another source.
func (f *feed) start(src source) {
	for more := true; more; { // what a cancelled source left
		_, more = f.demux.Next()
	}
	if src.resumes && !f.refused {
		f.demux.Reconnect()
	} else {
		f.demux.Reset()
	}
	f.refused = false
	f.info = mergeInfo(f.own, src.info)
	f.fallback, f.track = src.fallback, src.fallback
	f.dirty = true
	f.claimed = src.bitrate
	f.tell()
}

// retitle sets the track fields from outside the stream. They take effect with the next frame. Liquidsoap does so before it
// sends any, so start does not forget them; forget does.
func (f *feed) retitle(e codec.Event) { f.titles.Store(&e) }

// forget drops a title that was meant for the source before.
func (f *feed) forget() { f.titles.Store(nil) }

// run reads r to its end and publishes what it finds. It returns nil at the end, the reader's or the demuxer's error, or
// the context's. All audio read until then is published, except when ctx ends.
func (f *feed) run(ctx context.Context, r io.Reader) error {
	buf := make([]byte, readBytes)
	for {
		n, readErr := r.Read(buf)
		f.meter.read(n)
		if n > 0 {
			formatErr := f.demux.Write(buf[:n])
			if err := f.items(ctx); err != nil {
				return err
			}
			if formatErr != nil {
				f.refused = true
				return errors.Join(formatErr, f.flush(ctx))
			}
		}
		if readErr != nil {
			if errors.Is(readErr, io.EOF) {
				readErr = nil
			}
			return errors.Join(readErr, f.finish(ctx))
		}
	}
}

// finish publishes what the demuxer and the packetizer still hold.
func (f *feed) finish(ctx context.Context) error {
	formatErr := f.demux.Flush()
	f.refused = formatErr != nil
	if err := f.items(ctx); err != nil {
		return err
	}
	return errors.Join(formatErr, f.flush(ctx))
}

// flush publishes the audio that waits for its chunk to become full.
func (f *feed) flush(ctx context.Context) error {
	if f.packets.Pending() > 0 {
		f.packets.Flush()
	}
	return f.drain(ctx)
}

func (f *feed) items(ctx context.Context) error {
	for {
		item, ok := f.demux.Next()
		if !ok {
			return ctx.Err()
		}
		switch item.Kind {
		case codec.ItemHeader:
			f.begun = f.begun && item.Header.Equal(f.header)
			if !f.begun {
				f.header = item.Header
			}
		case codec.ItemEvent:
			f.setTrack(item.Event)
		case codec.ItemFrame:
			if err := f.frame(ctx, item.Frame); err != nil {
				return err
			}
		case codec.ItemGap: // only a depacketizer has gaps
		}
	}
}

// frame publishes one frame; the first one under a new header begins an epoch.
func (f *feed) frame(ctx context.Context, frame codec.Frame) error {
	f.frames++
	if !f.begun {
		if err := f.begin(ctx); err != nil {
			return err
		}
	}
	if e := f.titles.Swap(nil); e != nil {
		f.setTrack(*e)
	}
	if behind := time.Since(f.origin) - f.packets.Time(); behind > stallMax {
		f.packets.Advance(behind)
	}
	if f.dirty {
		f.dirty = false
		f.packets.Event(f.event())
		f.tell()
	}
	f.packets.Frame(frame)
	return f.drain(ctx)
}

func (f *feed) begin(ctx context.Context) error {
	if err := f.flush(ctx); err != nil {
		return err
	}
	if f.header.BitrateBPS == 0 {
		f.header.BitrateBPS = f.claimed
	}
	if err := f.packets.Begin(f.header); err != nil {
		return err
	}
	if err := f.station.Begin(f.header); err != nil {
		return fmt.Errorf("%w: %w", errStation, err)
	}
	f.begun, f.dirty = true, true
	f.origin = time.Now()
	f.meter.format(f.header)
	return nil
}

// drain publishes the finished chunks, none more than aheadMax before its time.
func (f *feed) drain(ctx context.Context) error {
	for {
		c, ok := f.packets.Next()
		if !ok {
			return nil
		}
		if early := c.Start - time.Since(f.origin) - aheadMax; early > 0 {
			if err := sleep(ctx, early); err != nil {
				return err
			}
		}
		if err := f.station.Publish(c); err != nil {
			return fmt.Errorf("%w: %w", errStation, err)
		}
	}
}

// setTrack takes the track fields of e, or the fallback where e names no title.
func (f *feed) setTrack(e codec.Event) {
	track := codec.Event{Title: e.Title, Artist: e.Artist, Album: e.Album}
	if track.Title == "" && f.fallback.Title != "" {
		track = f.fallback
	}
	f.dirty = f.dirty || track != f.track
	f.track = track
}

// event is all that is known at the moment.
func (f *feed) event() codec.Event {
	e := f.info
	e.Title, e.Artist, e.Album = f.track.Title, f.track.Artist, f.track.Album
	return e.Clean()
}

func (f *feed) tell() {
	e := f.event()
	f.meter.title(e)
	f.station.Info(e)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
