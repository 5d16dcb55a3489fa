// SPDX-License-Identifier: MIT

package daemon

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"streamer/internal/codec"
	"streamer/internal/node"
	"streamer/internal/playback"
)

// A broadcast puts what a source sends on the air. It is an ingest.Station: one source at a time calls it.
type broadcast struct {
	loop    *loop
	store   *Store
	channel *playback.Channel // of this station: the broadcaster's own players
	log     *slog.Logger

	mu      sync.Mutex
	station Station
	info    codec.Event // as it is on the air
	header  codec.Header
	onAir   bool // since the first Begin, until end
	live    bool // a source is sending
	ended   bool
}

// Begin implements ingest.Station: the next epoch begins.
func (b *broadcast) Begin(h codec.Header) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return ErrStopped
	}
	epoch, err := b.store.NextEpoch(&b.station, time.Now().Unix())
	if err != nil {
		return fmt.Errorf("begin an epoch: %w", err)
	}
	err = b.loop.do(context.Background(), node.BeginCommand{
		Key: b.station.Key, Epoch: epoch, BitrateBPS: int64(h.BitrateBPS),
	})
	if err != nil {
		return fmt.Errorf("begin an epoch: %w", err)
	}
	b.channel.Begin(epoch)
	b.header, b.onAir, b.live = h, true, true
	b.describe()
	b.log.Info("on the air", keyStation, b.station.Key.ID().Short(), keyEpoch, epoch, keyFormat, h.Format.String())
	return nil
}

// Publish implements ingest.Station.
func (b *broadcast) Publish(c codec.Chunk) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return ErrStopped
	}
	err := b.loop.do(context.Background(), node.PublishCommand{
		Station: b.station.Key.ID(), Kind: uint8(c.Kind), Start: c.Start, Duration: c.Duration, Data: c.Data,
	})
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	b.channel.Chunk(c)
	b.live = true
	return nil
}

// Info implements ingest.Station. What listeners get travels in the stream; this is for the page.
func (b *broadcast) Info(e codec.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.info = e
	if b.onAir {
		b.describe()
	}
}

// describe tells the network's list of stations what is on the air. b.mu is held.
func (b *broadcast) describe() {
	name := cmp.Or(b.info.StationName, b.station.Link(nil).Name)
	c := node.DescribeCommand{
		Key: b.station.Key, Name: name, Genre: b.info.Genre, Description: b.info.Description, URL: b.info.URL,
		Title: playback.Info{Event: b.info}.Title(), Codec: uint8(b.header.Format), KBPS: uint16(min(b.header.BitrateBPS/1000, 1<<16-1)),
	}
	if err := b.loop.do(context.Background(), c); err != nil {
		b.log.Warn("the station's record is not new", keyError, err)
	}
}

// words are the station's fields and the track as they are on the air.
func (b *broadcast) words() codec.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.info
}

// Waiting implements ingest.Station.
func (b *broadcast) Waiting() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.live = false
}

// end signs the end of the stream, once. Nothing is published after it. It reports whether the station was on the air.
func (b *broadcast) end(ctx context.Context) (was bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false, nil
	}
	b.ended = true
	if !b.onAir {
		return false, nil
	}
	b.onAir, b.live = false, false
	b.channel.End()
	if err := b.loop.do(ctx, node.EndCommand{Station: b.station.Key.ID()}); err != nil {
		return true, fmt.Errorf("end the stream: %w", err)
	}
	return true, nil
}

// mergeInfo is own with its empty station fields taken from kept.
func mergeInfo(own, kept codec.Event) codec.Event {
	return codec.Event{
		StationName: cmp.Or(own.StationName, kept.StationName),
		Genre:       cmp.Or(own.Genre, kept.Genre),
		Description: cmp.Or(own.Description, kept.Description),
		URL:         cmp.Or(own.URL, kept.URL),
	}
}
