// SPDX-License-Identifier: MIT

package ingest_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"streamer/internal/codec"
	"streamer/internal/ingest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mp3Frame is the length of a frame of 128 kbit/s at 44.1 kHz: 1152 samples, 26.12 ms.
const (
	mp3FrameBytes = 417
	mp3FrameTime  = 1152 * time.Second / 44100
)

// mp3Frames makes n valid frames with random bytes in them: MPEG-1 layer III, 128 kbit/s, 44.1 kHz, stereo.
func mp3Frames(n int, seed uint64) []byte {
	return mpegFrames(n, seed, [4]byte{0xFF, 0xFB, 0x90, 0x04}, mp3FrameBytes)
}

func mpegFrames(n int, seed uint64, header [4]byte, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, 0, n*size)
	for range n {
		b = append(b, header[:]...)
		for range size - len(header) {
			b = append(b, byte(r.IntN(0xF0))) // no sync inside
		}
	}
	return b
}

// mp3Hashes are the hashes of frames that mp3Frames made.
func mp3Hashes(b []byte) []string {
	var all []string
	for ; len(b) >= mp3FrameBytes; b = b[mp3FrameBytes:] {
		sum := md5.Sum(b[:mp3FrameBytes])
		all = append(all, hex.EncodeToString(sum[:]))
	}
	return all
}

// A pipeListener is a source port in memory, for use inside a synctest bubble.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8000} }

func (l *pipeListener) dial() net.Conn {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
	case <-l.done:
		_ = there.Close()
	}
	return here
}

// A rig is a Server in a bubble with its station.
type rig struct {
	*station
	t      *testing.T
	server *ingest.Server
	port   *pipeListener
	stop   func()
}

// inRig runs test in a synctest bubble with a Server: its clock is the bubble's.
func inRig(t *testing.T, cfg ingest.ServerConfig, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{station: newStation(), t: t, port: newPipeListener()}
		cfg.Station, cfg.Log = r.station, testLog(t)
		if cfg.Password == "" {
			cfg.Password = "hackme"
		}
		server, err := ingest.NewServer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.server = server
		ctx, cancel := context.WithCancel(t.Context())
		var served sync.WaitGroup
		served.Go(func() { server.Serve(ctx, r.port) })
		r.stop = func() { cancel(); served.Wait() }
		defer r.stop()
		test(t, r)
	})
}

// A caller is the tool's end of a connection. What the server answers is collected as it comes.
type caller struct {
	net.Conn
	mu     sync.Mutex
	answer strings.Builder
	closed bool
}

func (r *rig) call() *caller {
	c := &caller{Conn: r.port.dial()}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			c.mu.Lock()
			c.answer.Write(buf[:n])
			c.closed = err != nil
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

// say sends text and returns what the server answers at once.
func (c *caller) say(text string) string {
	_, _ = io.WriteString(c.Conn, text)
	return c.heard()
}

// heard returns what the server has answered since the last call.
func (c *caller) heard() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.answer.String()
	c.answer.Reset()
	return s
}

func (c *caller) isClosed() bool {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// logIn connects an ordinary Icecast source and checks that it is taken.
func (r *rig) logIn(fields ...string) *caller {
	r.t.Helper()
	c := r.call()
	head := "SOURCE /live HTTP/1.0\r\nAuthorization: Basic c291cmNlOmhhY2ttZQ==\r\n"
	for _, f := range fields {
		head += f + "\r\n"
	}
	if got := c.say(head + "\r\n"); got != "HTTP/1.0 200 OK\r\n\r\n" {
		r.t.Fatalf("login: answer %q", got)
	}
	return c
}

// published is the media time up to which the epoch's audio is out.
func (e *epoch) published() time.Duration {
	if len(e.chunks) == 0 {
		return 0
	}
	last := e.chunks[len(e.chunks)-1]
	return last.Start + last.Duration
}

// audio returns the epoch's audio chunks and when they were published.
func (e *epoch) audio() (chunks []codec.Chunk, at []time.Time) {
	for i, c := range e.chunks {
		if c.Kind == codec.ChunkAudio {
			chunks, at = append(chunks, c), append(at, e.at[i])
		}
	}
	return chunks, at
}
