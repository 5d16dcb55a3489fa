// SPDX-License-Identifier: MIT

package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"

	"streamer/internal/codec"
)

// passPause is the wait between two passes of which the last one played nothing.
const passPause = backoffMax

// PlayerConfig is what a Player is made from.
type PlayerConfig struct {
	Station Station
	Inputs  []string    // files, folders, playlists (m3u, pls, xspf), http(s) URLs of streams, files or playlists, "-"
	Shuffle bool        // each pass in another order
	Once    bool        // end after the last input instead of beginning again; live streams have no last
	Info    codec.Event // station fields in the broadcaster's own words; they win over a stream's
	Stdin   io.Reader   // what "-" reads; closed when Run is cancelled, if it is an io.Closer
	Rand    rand.Source // for Shuffle
	Log     *slog.Logger

	// Dial opens the connections for URLs; nil is an ordinary net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// A Player plays files, folders, lists, streams and standard input one after another, at the rate of the audio. What
// cannot be played is logged and skipped and never ends the show.
type Player struct {
	cfg   PlayerConfig
	web   *http.Client
	feed  *feed
	meter meter

	stdinDone bool
	liveSeen  bool  // an endless stream has played
	last      error // why the last entry was skipped
}

// errStreamEnded is why an endless stream is fetched again.
var errStreamEnded = errors.New("the server ended the stream")

// ErrNothing is wrapped by Run's error when no input could be played.
var ErrNothing = errors.New("nothing to play")

// NewPlayer checks the configuration: that there are inputs, and that files and folders exist.
func NewPlayer(cfg PlayerConfig) (*Player, error) {
	if len(cfg.Inputs) == 0 {
		return nil, errors.New("no input: name files, folders, playlists, http streams, or - for standard input")
	}
	if cfg.Shuffle && cfg.Rand == nil {
		return nil, errors.New("ingest: Shuffle needs Rand")
	}
	for _, in := range cfg.Inputs {
		switch {
		case in == "-" && cfg.Stdin == nil:
			return nil, errors.New("input -: there is no standard input here")
		case in == "-":
		case isURL(in):
			if _, err := url.Parse(in); err != nil {
				return nil, fmt.Errorf("input %q: %w", in, errors.Unwrap(err))
			}
		default:
			if _, err := os.Stat(in); err != nil {
				return nil, fmt.Errorf("input %q: %w", in, errors.Unwrap(err))
			}
		}
	}
	p := &Player{cfg: cfg, web: newWebClient(cfg.Dial)}
	p.feed = newFeed(cfg.Station, cfg.Info, &p.meter)
	return p, nil
}

// Status may be called at any time by any goroutine.
func (p *Player) Status() Status { return p.meter.snapshot() }

// Run plays until everything was played (nil), ctx ends, the station takes no more, or nothing at all can be played. It may
// be called once.
func (p *Player) Run(ctx context.Context) error {
	defer p.web.CloseIdleConnections()
	var shuffle *rand.Rand
	if p.cfg.Shuffle {
		shuffle = rand.New(p.cfg.Rand)
	}
	for {
		before := p.feed.frames
		entries := p.expand()
		if shuffle != nil {
			shuffle.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		}
		if err := p.playAll(ctx, entries); err != nil {
			return err
		}
		switch {
		case p.feed.frames == 0:
			return fmt.Errorf("%w: %w", ErrNothing, p.why())
		case p.cfg.Once && !p.liveSeen, p.onlyStdin():
			return nil
		case p.feed.frames == before: // what has played before may come back
			p.cfg.Log.Warn("nothing to play now, waiting", "error", p.why())
			p.cfg.Station.Waiting()
			if err := sleep(ctx, passPause); err != nil {
				return err
			}
		}
	}
}

func (p *Player) why() error {
	if p.last == nil {
		return errors.New("no audio files there")
	}
	return p.last
}

func (p *Player) onlyStdin() bool {
	return !slices.ContainsFunc(p.cfg.Inputs, func(in string) bool { return in != "-" })
}

// expand makes the entries of one pass; folders and lists are read again each time.
func (p *Player) expand() []entry {
	x := expander{log: p.cfg.Log}
	for _, in := range p.cfg.Inputs {
		if in != "-" || !p.stdinDone {
			x.input(in, "", 0)
		}
	}
	if x.last != nil {
		p.last = x.last
		p.meter.fail(x.last)
	}
	return x.entries
}

// playAll plays entries in order. Its error ends the show: the context's or the station's.
func (p *Player) playAll(ctx context.Context, entries []entry) error {
	for _, e := range entries {
		var err error
		switch e.kind {
		case KindHTTP:
			err = p.playURL(ctx, e)
		case KindStdin:
			p.stdinDone = true
			err = p.play(ctx, e, readPump(ctx, p.cfg.Stdin), source{})
		case KindFile:
			err = p.playFile(ctx, e)
		case KindIcecast, KindShoutcast, KindXAudio: // they come to a Server
		}
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		if errors.Is(err, errStation) {
			return err
		}
		if err != nil {
			p.skip(e, err)
		}
	}
	return nil
}

func (p *Player) skip(e entry, err error) {
	p.last = fmt.Errorf("%s: %w", e.name(), err)
	p.meter.fail(p.last)
	p.cfg.Log.Warn("skipped", "input", e.name(), "error", err)
}

func (p *Player) playFile(ctx context.Context, e entry) error {
	f, err := os.Open(e.place)
	if err != nil {
		return errors.Unwrap(err)
	}
	return p.play(ctx, e, f, source{fallback: e.title})
}

// play reads one file or connection to its end and closes it.
func (p *Player) play(ctx context.Context, e entry, r io.ReadCloser, src source) error {
	stop := context.AfterFunc(ctx, func() { _ = r.Close() }) // wakes a read that waits
	defer stop()
	defer r.Close() //nolint:errcheck // only read
	p.meter.connect(Status{Kind: e.kind, Remote: e.name(), BitrateBPS: src.bitrate})
	p.cfg.Log.Info("playing", "kind", e.kind, "input", e.name())
	before := p.feed.frames
	p.feed.forget()
	p.feed.start(src)
	err := p.feed.run(ctx, r)
	if err == nil && p.feed.frames == before {
		err = errors.New("no audio in it")
	}
	p.meter.disconnect(err)
	return err
}

// playURL plays what is behind a URL: a list's entries, a file once, or a stream for as long as it comes back.
func (p *Player) playURL(ctx context.Context, e entry) error {
	for tries := 1; ; tries++ {
		before := p.feed.frames
		a, err := p.fetch(ctx, e)
		if err == nil && a.list != nil {
			return p.playAll(ctx, a.list)
		}
		if err == nil {
			if err = p.playAnswer(ctx, e, a); err == nil {
				if !a.live {
					return nil
				}
				err = errStreamEnded
			}
		}
		if p.feed.frames > before {
			p.liveSeen = p.liveSeen || a.live
			tries = 1
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errPermanent), errors.Is(err, errStation), errors.Is(err, codec.ErrFormat):
			return err
		case tries >= streamTriesMax:
			return err
		}
		wait := backoff(tries)
		p.cfg.Log.Warn("stream lost, trying again", "input", e.name(), "error", err, "wait", wait)
		p.cfg.Station.Waiting()
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (p *Player) playAnswer(ctx context.Context, e entry, a answer) error {
	fields := headerFields(a.header)
	audio, err := NewICYReader(a.body, fields["icy-metaint"], func(title string) {
		p.feed.retitle(codec.Event{Title: title})
	})
	if err != nil {
		_ = a.body.Close()
		return fmt.Errorf("%w: %w", errPermanent, err)
	}
	return p.play(ctx, e, struct {
		io.Reader
		io.Closer
	}{audio, a.body}, source{
		info: stationInfo(fields), bitrate: claimedBitrate(fields), fallback: e.title, resumes: true,
	})
}

// readPump makes a reader that can be closed while it waits: a read of standard input cannot be woken everywhere. Its
// goroutine ends with the input, or when closing r wakes it.
func readPump(ctx context.Context, r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() {
		if c, ok := r.(io.Closer); ok {
			_ = c.Close()
		}
	})
	go func() {
		_, err := io.Copy(in, r)
		_ = in.CloseWithError(err)
	}()
	return out
}
