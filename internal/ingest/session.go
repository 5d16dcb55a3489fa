// SPDX-License-Identifier: MIT

package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"streamer/internal/codec"
)

var (
	errBusy    = errors.New("mount in use: another tool is sending; stop it first")
	errTimeout = fmt.Errorf("the tool sent nothing for %v", SourceTimeout)
	errOusted  = errors.New("silent, gave way to another tool")
)

// A session is one source while it holds the station.
type session struct {
	kind   Kind
	mount  string
	agent  string
	remote string
	done   chan struct{} // closed when it holds the station no more

	oust    context.CancelCauseFunc
	waiting atomic.Int64 // since when it waits for bytes, Unix ns; 0: it does not
}

// silent tells whether the session has waited for bytes for d.
func (ss *session) silent(d time.Duration) bool {
	since := ss.waiting.Load()
	return since != 0 && time.Since(time.Unix(0, since)) >= d
}

// claim makes ss the current session, in place of one that is silent if need be. It waits a moment for one that is going: a
// tool may be back before the end of its last connection was read. The context it returns ends when ss has to go; release
// must be called.
func (s *Server) claim(ctx context.Context, ss *session) (context.Context, error) {
	ss.done = make(chan struct{})
	ctx, ss.oust = context.WithCancelCause(ctx)
	s.mu.Lock()
	old := s.current
	if old != nil {
		s.mu.Unlock()
		if old.silent(takeoverAfter) {
			old.oust(errOusted)
		}
		moment := time.NewTimer(claimTimeout)
		select {
		case <-old.done:
		case <-moment.C:
		case <-ctx.Done():
		}
		moment.Stop()
		s.mu.Lock()
		old = s.current
	}
	defer s.mu.Unlock()
	if old != nil {
		ss.oust(errBusy)
		return nil, errBusy
	}
	s.current = ss
	s.feed.forget()
	return ctx, nil
}

func (s *Server) release(ss *session) {
	s.mu.Lock()
	s.current = nil
	s.mu.Unlock()
	close(ss.done)
	ss.oust(nil)
}

// retitle gives the current source new track fields. It says false when there is no source on that mount ("" is any).
func (s *Server) retitle(mount string, e codec.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || mount != "" && !sameMount(mount, s.current.mount) {
		return false
	}
	s.feed.retitle(e)
	return true
}

// stream runs the claimed session until its body ends.
func (s *Server) stream(ctx context.Context, ss *session, conn *sourceConn, body io.Reader, fields map[string]string) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	bitrate := claimedBitrate(fields)
	s.meter.connect(Status{
		Kind: ss.kind, Agent: ss.agent, Remote: ss.remote, Mount: ss.mount, BitrateBPS: bitrate,
	})
	log := s.cfg.Log.With("remote", ss.remote, "mount", ss.mount)
	log.Info("source connected", "kind", ss.kind, "agent", ss.agent)
	s.feed.start(source{info: stationInfo(fields), bitrate: bitrate, resumes: true})

	conn.live = ss
	conn.idle = func() error { return s.feed.flush(ctx) }
	err := s.feed.run(ctx, body)
	conn.live = nil
	switch cause := context.Cause(ctx); {
	case cause != nil:
		err = cause
	case errors.Is(err, syscall.ECONNRESET):
		err = nil // a tool that never read our answer, as ffmpeg's old mode, or was killed: nothing to repair
	}
	s.meter.disconnect(err)
	s.cfg.Station.Waiting()
	switch {
	case err == nil:
		log.Info("source gone")
	case errors.Is(err, codec.ErrFormat):
		log.Warn("source refused", "error", err)
	case errors.Is(err, context.Canceled):
		log.Info("source closed")
	default:
		log.Warn("source lost", "error", err)
	}
}

// A sourceConn is a connection whose reads wait, while live is set, for at most SourceTimeout, and call idle after the first
// idleFlush without a byte. It is read and closed like a net.Conn.
type sourceConn struct {
	net.Conn
	live *session
	idle func() error
}

func (c *sourceConn) Read(p []byte) (int, error) {
	if c.live == nil {
		return c.Conn.Read(p)
	}
	begin := time.Now()
	c.live.waiting.Store(begin.UnixNano())
	defer c.live.waiting.Store(0)
	_ = c.SetReadDeadline(begin.Add(idleFlush))
	n, err := c.Conn.Read(p)
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if idleErr := c.idle(); idleErr != nil {
		return 0, idleErr
	}
	_ = c.SetReadDeadline(begin.Add(SourceTimeout))
	n, err = c.Conn.Read(p)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		err = errTimeout
	}
	return n, err
}
