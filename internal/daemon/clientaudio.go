// SPDX-License-Identifier: MIT

package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"streamer/internal/codec"
	"streamer/internal/identity"
	"streamer/internal/ingest"
	"streamer/internal/playback"
)

const (
	audioHeadTime  = playback.StartWait + clientTime // a node waits that long for a station before it says that nothing comes
	audioAgain     = time.Second                     // between tries
	audioReadBytes = 16 << 10
)

// errAudioHead ends a try at a node that does not answer.
var errAudioHead = errors.New("it does not answer when it is asked for audio")

// Listen has the node play a station, as it does for every player, and puts what comes into channel, titles included,
// until ctx ends. It waits for a station that is off the air; where the node ended the audio, so does the channel, until
// there is more. An error says that the node has left, or does not play this.
func (c *Client) Listen(ctx context.Context, l identity.Link, channel *playback.Channel) error {
	remote := &remote{channel: channel, demux: codec.NewDemuxer()}
	for {
		err := c.Tune(ctx, l, "player")
		if err == nil {
			err = c.listenOnce(ctx, l.Station, remote)
		}
		channel.End()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-time.After(audioAgain):
		case <-ctx.Done():
			return nil
		}
	}
}

// listenOnce plays one response to its end. It is no error that there is nothing to play.
func (c *Client) listenOnce(ctx context.Context, id identity.StationID, r *remote) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(audioHeadTime, func() { cancel(errAudioHead) })
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/listen/"+id.String(), nil)
	if err != nil {
		return fmt.Errorf("the node's address %s: %w", c.base, err)
	}
	req.Header.Set("Icy-MetaData", "1")
	endless := &http.Client{Transport: c.http.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	res, err := c.request(endless, req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	late.Stop()
	switch res.StatusCode {
	case http.StatusOK:
		return r.play(res)
	case http.StatusServiceUnavailable: // nothing came so far, or all places are taken
		return nil
	}
	return fmt.Errorf("the node at %s does not give the audio: %s", c.base, res.Status)
}

// A remote is the way of a station from a node's audio into a Channel. The goroutine of Listen owns it.
type remote struct {
	channel *playback.Channel
	demux   *codec.Demuxer
	event   codec.Event // what holds now
	begun   bool        // a header has come in this response
}

// play reads one response to its end, which is none of ours.
func (r *remote) play(res *http.Response) error {
	head := res.Header
	r.event = codec.Event{
		StationName: head.Get("icy-name"), Genre: head.Get("icy-genre"), Description: head.Get("icy-description"), URL: head.Get("icy-url"),
	}.Clean()
	r.begun = false
	r.demux.Reconnect()
	audio, err := ingest.NewICYReader(res.Body, head.Get("icy-metaint"), func(title string) {
		r.retitle(codec.Event{Title: title})
	})
	if err != nil {
		return err
	}
	buf := make([]byte, audioReadBytes)
	for {
		n, ended := audio.Read(buf)
		err := r.demux.Write(buf[:n])
		r.items()
		if err == nil && ended != nil {
			err = r.demux.Flush()
			r.items()
			if !r.begun {
				err = nil // what came was too little for anything
			}
			return err
		}
		if err != nil {
			return fmt.Errorf("what the node sends is no audio of ours: %w", err)
		}
	}
}

// items moves what was found into the Channel.
func (r *remote) items() {
	for {
		it, ok := r.demux.Next()
		if !ok {
			return
		}
		switch it.Kind {
		case codec.ItemHeader:
			r.begun = true
			r.channel.Put(it)
			r.channel.Put(codec.Item{Kind: codec.ItemEvent, Event: r.event})
		case codec.ItemFrame:
			it.Frame.Data = bytes.Clone(it.Frame.Data) // the demuxer's own until its next call
			r.channel.Put(it)
		case codec.ItemEvent:
			r.retitle(it.Event)
		case codec.ItemGap: // only a depacketizer has gaps
		}
	}
}

// retitle takes the track from e. It holds from the next frame on.
func (r *remote) retitle(e codec.Event) {
	r.event.Title, r.event.Artist, r.event.Album = e.Title, e.Artist, e.Album
	r.event = r.event.Clean()
	if r.begun {
		r.channel.Put(codec.Item{Kind: codec.ItemEvent, Event: r.event})
	}
}
