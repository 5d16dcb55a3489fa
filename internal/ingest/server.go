// SPDX-License-Identifier: MIT

package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"streamer/internal/codec"
)

// Limits of the source port.
const (
	connsMax       = 128              // at once, both ports together; GStreamer opens 48 in a second for its titles
	headTimeout    = 10 * time.Second // for a request head
	againTimeout   = 5 * time.Second  // for another request after a 401: Mixxx logs in on the same connection
	unaskedTimeout = time.Second      // for audio from a tool that may send it without our answer
	requestsMax    = 8                // on one connection
	writeTimeout   = 10 * time.Second // for one of our short answers
	SourceTimeout  = 15 * time.Second // a source that sends nothing for so long is gone
	claimTimeout   = time.Second      // for a source that is just going
	takeoverAfter  = 10 * time.Second // a silent source gives way to another after so long
	idleFlush      = 250 * time.Millisecond
	acceptRetry    = 100 * time.Millisecond
	portTries      = 8         // pairs of free ports to look for
	receiveBuffer  = 128 << 10 // bytes the kernel takes in while a source is ahead of time
	lingerTimeout  = time.Second
	lingerBytesMax = 256 << 10 // of a refused body, read so that the refusal arrives
)

// ServerConfig is what a Server is made from.
type ServerConfig struct {
	Station  Station
	Password string      // never empty
	Mount    string      // the only mount taken, like "/live"; "" takes any
	Info     codec.Event // station fields in the broadcaster's own words; they win over the tool's
	Log      *slog.Logger
}

// A Server takes audio from broadcast tools: Icecast 2 and SHOUTcast v1, both on each of its listeners. One station has one
// source at a time, whatever mounts they name: a second one is refused with "mount in use" (SHOUTcast: "stream in use")
// until the first is gone or has been silent for ten seconds. A source that returns with an equal header goes on in the
// same epoch.
type Server struct {
	cfg     ServerConfig
	secret  secret
	guesses guesses
	slots   chan struct{}
	feed    *feed // run by the current session
	meter   meter

	mu      sync.Mutex
	current *session
}

// NewServer checks the configuration.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.Password == "" {
		return nil, errors.New("the source port needs a password: set --source-password")
	}
	if strings.ContainsAny(cfg.Password, "\r\n") {
		return nil, errors.New("the source password has a line break in it")
	}
	if cfg.Mount != "" && !strings.HasPrefix(cfg.Mount, "/") {
		cfg.Mount = "/" + cfg.Mount
	}
	s := &Server{cfg: cfg, secret: newSecret(cfg.Password), slots: make(chan struct{}, connsMax)}
	s.feed = newFeed(cfg.Station, cfg.Info, &s.meter)
	return s, nil
}

// Status may be called at any time by any goroutine.
func (s *Server) Status() Status { return s.meter.snapshot() }

// Listen opens the source port addr ("host:port", port 0 for any) and the port above it, where SHOUTcast v1 tools connect.
// The second one is missing from the result, with a warning, when it is taken.
func Listen(ctx context.Context, addr string, log *slog.Logger) ([]net.Listener, error) {
	var lc net.ListenConfig
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("source address %q: want HOST:PORT: %w", addr, err)
	}
	for try := 1; ; try++ {
		first, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("open the source port: %w", err)
		}
		next := listenPort(first) + 1
		second, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(next)))
		switch {
		case err == nil:
			return []net.Listener{first, second}, nil
		case port == "0" && try < portTries:
			_ = first.Close()
		default:
			log.Warn("no second source port, SHOUTcast tools must use the first", "port", next, "error", err)
			return []net.Listener{first}, nil
		}
	}
}

func listenPort(l net.Listener) int {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// Serve takes connections until ctx ends, then closes listeners and connections and waits for all of its goroutines. It
// may be called once.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) {
	var all sync.WaitGroup
	for _, l := range listeners {
		stop := context.AfterFunc(ctx, func() { _ = l.Close() })
		defer stop()
		all.Go(func() { s.accept(ctx, l, &all) })
	}
	all.Wait()
}

func (s *Server) accept(ctx context.Context, l net.Listener, all *sync.WaitGroup) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || sleep(ctx, acceptRetry) != nil {
				return
			}
			continue // out of file descriptors, or a connection that was gone at once
		}
		select {
		case s.slots <- struct{}{}:
			all.Go(func() {
				defer func() { <-s.slots }()
				s.serveConn(ctx, conn)
			})
		default:
			s.cfg.Log.Debug("too many source connections", "remote", conn.RemoteAddr().String())
			_ = conn.Close()
		}
	}
}

func remoteAddr(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr()
	}
	return netip.Addr{}
}
