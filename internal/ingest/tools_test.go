// SPDX-License-Identifier: MIT

package ingest_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"streamer/internal/ingest"
	"streamer/lab/tools"
)

// Real tools against a real source port. What a tool passes through unchanged is compared with the file; what it encodes
// anew is compared with the bytes that it put on the wire.

const (
	toolSeconds  = 4
	toolDeadline = 90 * time.Second
	toolsAtOnce  = 16 // each waits for real time most of the time
)

func TestTools(t *testing.T) {
	samples := makeSamples(t)
	// Run from goroutines of our own: t.Parallel allows as many at once as there are processors.
	slots := make(chan struct{}, toolsAtOnce)
	var all sync.WaitGroup
	defer all.Wait()
	for _, tool := range tools.All() {
		for _, format := range tool.Formats {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				t.Run(strings.ReplaceAll(tool.Name+" "+string(format), "/", "-"), func(t *testing.T) {
					testTool(t, tool, format, samples[format])
				})
			})
		}
	}
}

// Every format comes off the disk as it is in the file.
func TestPlaySamples(t *testing.T) {
	for format, file := range makeSamples(t) {
		t.Run(strings.ReplaceAll(string(format), "/", "-"), func(t *testing.T) {
			sent, err := tools.Frames(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, ingest.PlayerConfig{Inputs: []string{file, file}, Once: true})
				if err := <-s.ended; err != nil {
					t.Fatal(err)
				}
				if d := tools.Compare(slices.Concat(sent, sent), s.hashes()); !d.Whole() {
					t.Errorf("what was published is not the file twice: %v", d)
				}
				if len(s.epochs) != 1 {
					t.Errorf("%d epochs for one file twice", len(s.epochs))
				}
				if format != tools.AAC && !hasSampleTitle(s.station) {
					t.Errorf("titles %+v", s.titles())
				}
			})
		})
	}
}

// A tool begins an Ogg link with every title, whenever that is: after two packets (as butt did with Ogg FLAC when its title
// was set at once), one, or none.
func TestPlayShortLinks(t *testing.T) {
	for _, format := range []tools.Format{tools.Vorbis, tools.Opus, tools.OggFLAC} {
		t.Run(strings.ReplaceAll(string(format), "/", "-"), func(t *testing.T) {
			var chain []byte
			var want []string
			for _, length := range []time.Duration{150 * time.Millisecond, time.Millisecond, time.Second} {
				file, err := tools.Sample(t.Context(), t.TempDir(), format, length)
				if err != nil {
					t.Fatal(err)
				}
				link, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				frames, err := tools.Frames(t.Context(), file)
				if err != nil {
					t.Fatal(err)
				}
				chain, want = append(chain, link...), append(want, frames...)
			}
			file := filepath.Join(t.TempDir(), "chain.ogg")
			if err := os.WriteFile(file, chain, 0o600); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, ingest.PlayerConfig{Inputs: []string{file}, Once: true})
				if err := <-s.ended; err != nil {
					t.Fatal(err)
				}
				if d := tools.Compare(want, s.hashes()); !d.Whole() || len(s.epochs) != 1 {
					t.Errorf("what was published in %d epochs is not the chain: %v", len(s.epochs), d)
				}
			})
		})
	}
}

func makeSamples(t *testing.T) map[tools.Format]string {
	t.Helper()
	dir := t.TempDir()
	files := map[tools.Format]string{}
	for _, f := range tools.Formats() {
		file, err := tools.Sample(t.Context(), dir, f, toolSeconds*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		files[f] = file
	}
	return files
}

func testTool(t *testing.T, tool tools.Tool, format tools.Format, file string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), toolDeadline)
	defer cancel()
	station := newStation()
	server, port, wire := startServer(ctx, t, station)
	err := tool.Run(ctx, tools.Job{
		Format: format, File: file, Dir: t.TempDir(),
		Server: tools.Server{Host: "127.0.0.1", Port: port, Password: "hackme", Mount: "/live"},
	})
	if err != nil || testing.Verbose() {
		wire.log(t)
	}
	if err != nil {
		t.Fatal(err)
	}
	station.await(t, "the end of the source", func() bool { return station.waits > 0 })

	reference := file
	if tool.Encodes {
		reference = wire.body(t, format)
	}
	sent, err := tools.Frames(ctx, reference)
	if err != nil {
		t.Fatal(err)
	}
	d := tools.Compare(sent, station.hashes())
	t.Logf("%s: %v, %d epochs, titles %q, status %+v", tool.Name, d, len(station.epochs), station.titles(), server.Status())
	if !d.Whole() {
		t.Errorf("what was published is not what was sent: %v", d)
	}
	if tool.Retitles(format) && !hasSampleTitle(station) {
		t.Errorf("titles %+v, want one of %s - %s", station.titles(), tools.SampleArtist, tools.SampleTitle)
	}
}

func hasSampleTitle(s *station) bool {
	for _, e := range s.titles() {
		joined := strings.TrimPrefix(e.Artist+" - "+e.Title, " - ")
		if joined == tools.SampleArtist+" - "+tools.SampleTitle {
			return true
		}
	}
	return false
}

func startServer(ctx context.Context, t *testing.T, station *station) (*ingest.Server, int, *wireTap) {
	t.Helper()
	server, err := ingest.NewServer(ingest.ServerConfig{Station: station, Password: "hackme", Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := ingest.Listen(ctx, "127.0.0.1:0", testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(listeners) != 2 {
		t.Fatal("no second source port")
	}
	wire := &wireTap{}
	ctx, cancel := context.WithCancel(ctx)
	var served sync.WaitGroup
	served.Go(func() { server.Serve(ctx, wire.tap(listeners[0]), wire.tap(listeners[1])) })
	t.Cleanup(func() {
		cancel()
		served.Wait()
	})
	return server, listeners[0].Addr().(*net.TCPAddr).Port, wire
}

// A wireTap keeps what comes in by each connection, and tells which one carried audio: the longest.
type wireTap struct {
	mu    sync.Mutex
	conns []*tappedConn
}

type tappedListener struct {
	net.Listener
	wire *wireTap
}

type tappedConn struct {
	*net.TCPConn
	wire *wireTap
	got  bytes.Buffer
}

func (w *wireTap) tap(l net.Listener) net.Listener { return tappedListener{l, w} }

func (l tappedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tapped := &tappedConn{TCPConn: conn.(*net.TCPConn), wire: l.wire}
	l.wire.mu.Lock()
	defer l.wire.mu.Unlock()
	l.wire.conns = append(l.wire.conns, tapped)
	return tapped, nil
}

func (c *tappedConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	c.got.Write(p[:n])
	return n, err
}

// log shows how each connection began.
func (w *wireTap) log(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, c := range w.conns {
		t.Logf("connection %d: %q", i, c.got.Bytes()[:min(c.got.Len(), 600)])
	}
}

// body writes the audio of the longest connection to a file: what follows the head, without chunk sizes.
func (w *wireTap) body(t *testing.T, format tools.Format) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var longest []byte
	for _, c := range w.conns {
		if c.got.Len() > len(longest) {
			longest = c.got.Bytes()
		}
	}
	file := filepath.Join(t.TempDir(), "wire"+format.Extension())
	if err := os.WriteFile(file, audioOf(t, longest), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// audioOf cuts the request head off, by its own simple means.
func audioOf(t *testing.T, conn []byte) []byte {
	t.Helper()
	head, audio, ok := bytes.Cut(conn, []byte("\r\n\r\n"))
	if lf, rest, found := bytes.Cut(conn, []byte("\n\n")); found && (!ok || len(lf) < len(head)) {
		head, audio, ok = lf, rest, true
	}
	if !ok {
		t.Fatalf("no end of the head in %q", conn[:min(len(conn), 200)])
	}
	if !bytes.Contains(bytes.ToLower(head), []byte("transfer-encoding: chunked")) {
		return audio
	}
	var plain []byte
	for {
		line, rest, ok := bytes.Cut(audio, []byte("\r\n"))
		size := 0
		for _, c := range bytes.ToLower(line) {
			size = size<<4 | bytes.IndexByte([]byte("0123456789abcdef"), c)
		}
		if !ok || size <= 0 || len(rest) < size+2 {
			return plain
		}
		plain = append(plain, rest[:size]...)
		audio = rest[size+2:]
	}
}
