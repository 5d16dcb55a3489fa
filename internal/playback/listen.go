// SPDX-License-Identifier: MIT

package playback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"streamer/internal/codec"
	"streamer/internal/identity"
)

// Config is what a Handler is made from. Zero times and a zero PlayersMax mean the constants of the same names.
type Config struct {
	Tuner Tuner
	Log   *slog.Logger
	// Name says what a station is called, for its playlists; "" when that is not known. May be nil.
	Name func(identity.StationID) string

	PlayersMax int
	StartWait  time.Duration
	StallMax   time.Duration
	EndGrace   time.Duration
}

// A Handler serves /listen/ID, endless audio, and the playlists /listen/ID.pls, .m3u and .xspf that point at it. It checks
// that the Host of a request is well formed; whether it is one of ours is for the server around it to check.
type Handler struct {
	Config
	players atomic.Int64
	served  atomic.Uint64
	slow    atomic.Uint64
	refused atomic.Uint64
	sent    atomic.Uint64
}

// Stats count since the Handler was made.
type Stats struct {
	Players int    // now
	Served  uint64 // responses that began
	Slow    uint64 // of them, dropped because the player did not keep up
	Refused uint64 // requests beyond PlayersMax
	Bytes   uint64 // sent, titles included
}

// NewHandler makes a Handler.
func NewHandler(c Config) *Handler {
	if c.PlayersMax == 0 {
		c.PlayersMax = PlayersMax
	}
	for _, d := range []struct {
		value   *time.Duration
		instead time.Duration
	}{{&c.StartWait, StartWait}, {&c.StallMax, StallMax}, {&c.EndGrace, EndGrace}} {
		if *d.value == 0 {
			*d.value = d.instead
		}
	}
	return &Handler{Config: c}
}

// Stats returns the counts now.
func (h *Handler) Stats() Stats {
	return Stats{
		Players: int(h.players.Load()), Served: h.served.Load(), Slow: h.slow.Load(), Refused: h.refused.Load(),
		Bytes: h.sent.Load(),
	}
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/listen/")
	base, playlist := cutPlaylist(name)
	id, err := identity.ParseStationID(base)
	switch {
	case !ok || err != nil:
		http.Error(w, "no such station: /listen/ is followed by a station id of 52 characters, and perhaps .pls, .m3u or .xspf",
			http.StatusNotFound)
	case playlist != nil:
		h.servePlaylist(w, r, playlist, id)
	case foreign(r):
		http.Error(w, "another web site may not tune this node in; open the address yourself", http.StatusForbidden)
	default:
		h.serveAudio(w, r, id)
	}
}

// foreign reports whether a page of another site asked, other than by a link that somebody followed (W3C Fetch Metadata).
// Programs that are no browsers send none of this.
func foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

func (h *Handler) serveAudio(w http.ResponseWriter, r *http.Request, id identity.StationID) {
	if h.players.Add(1) > int64(h.PlayersMax) {
		h.players.Add(-1)
		h.refused.Add(1)
		w.Header().Set("Retry-After", "30")
		http.Error(w, fmt.Sprintf("all %d players' places are taken on this node", h.PlayersMax),
			http.StatusServiceUnavailable)
		return
	}
	defer h.players.Add(-1)
	from, err := wantedPlace(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	channel, release, err := h.Tuner.Tune(r.Context(), id)
	if err != nil {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "tune in: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer release()

	asked := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), h.StartWait)
	f, err := openFeedAt(ctx, channel, from)
	cancel()
	// The server around may have set a deadline for short answers, which is over; one without deadlines needs none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.StallMax))
	if err != nil {
		if r.Context().Err() == nil {
			w.Header().Set("Retry-After", "10")
			http.Error(w, notStarted(err, h.StartWait), http.StatusServiceUnavailable)
		}
		return
	}
	if err = f.begin(wantsTitles(r.Header, f.header.Format)); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeHead(w.Header(), f, channel.Info())
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	h.served.Add(1)
	log := h.Log.With("station", id.Short(), "player", r.RemoteAddr)
	log.Info("player began", "user_agent", cut(r.UserAgent(), 80), "waited_ms", time.Since(asked).Milliseconds())
	before := h.sent.Load()
	err = f.run(r.Context(), delivery{write: h.writer(w), grace: h.EndGrace})
	if errors.Is(err, ErrBehind) || errors.Is(err, os.ErrDeadlineExceeded) {
		h.slow.Add(1)
		log.Warn("player dropped", "reason", "it did not keep up", "played_s", int(time.Since(asked).Seconds()))
		panic(http.ErrAbortHandler) // nothing may be flushed into a full socket
	}
	log.Info("player gone", "reason", err.Error(), "played_s", int(time.Since(asked).Seconds()),
		"node_bytes", h.sent.Load()-before)
}

// notStarted says why there is nothing to play.
func notStarted(err error, waited time.Duration) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("nothing heard of this station for %v: it is off the air, or no node that carries it can be reached",
			waited)
	}
	return err.Error()
}

// writer returns a function that sends audio, each time within StallMax.
func (h *Handler) writer(w http.ResponseWriter) func([]byte) error {
	control := http.NewResponseController(w)
	return func(p []byte) error {
		if err := control.SetWriteDeadline(time.Now().Add(h.StallMax)); err != nil {
			return fmt.Errorf("set a write deadline: %w", err)
		}
		n, err := w.Write(p)
		h.sent.Add(uint64(n))
		if err == nil {
			err = control.Flush()
		}
		return err
	}
}

// wantsTitles reports whether a request gets ICY metadata: the player asked, and takes it in this format. All players that
// we know do, whatever the container, but for MPlayer, which mangles Ogg and WebM then
// (docs/decisions/0004-titles-in-ogg.md).
func wantsTitles(request http.Header, f codec.Format) bool {
	if strings.TrimSpace(request.Get("Icy-MetaData")) != "1" {
		return false
	}
	switch f {
	case codec.FormatOggVorbis, codec.FormatOggOpus, codec.FormatOggFLAC, codec.FormatWebM:
		return !strings.HasPrefix(request.Get("User-Agent"), "MPlayer")
	case codec.FormatMPEG, codec.FormatAAC, codec.FormatFLAC, codec.FormatUnknown:
	}
	return true
}

// writeHead fills in the header of an audio response: no length, never chunked, the connection closes at its end. Players
// compare the icy- names byte by byte, so they are not put in Go's canonical form. VLC asks for titles only after it saw
// one of them.
func writeHead(head http.Header, f *feed, info Info) {
	head.Set("Content-Type", f.header.MIME())
	head.Set("Connection", "close")
	head.Set("Transfer-Encoding", "identity") // understood by net/http: not chunked
	head.Set("Cache-Control", "no-cache, no-store")
	head.Set("X-Position-Ms", strconv.FormatInt(f.place.Milliseconds(), 10))
	head.Set("Pragma", "no-cache")
	head.Set("Expires", "Mon, 26 Jul 1997 05:00:00 GMT")
	set := func(name, value string) {
		if value = headerText(value); value != "" {
			head[name] = []string{value}
		}
	}
	set("icy-name", info.Name)
	set("icy-description", info.Event.Description)
	set("icy-genre", info.Event.Genre)
	set("icy-url", info.Event.URL)
	if info.BitrateBPS > 0 {
		set("icy-br", strconv.FormatInt((info.BitrateBPS+500)/1000, 10))
	}
	head["icy-pub"] = []string{"0"}
	if f.titles != nil {
		set("icy-metaint", strconv.Itoa(IcyInterval))
	}
}

// headerText makes a station's text fit for a header line, in UTF-8 as Icecast sends it.
func headerText(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}
