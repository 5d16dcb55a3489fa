// SPDX-License-Identifier: MIT

//go:build lab && linux

package sources_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
)

// A wire stands between a tool and a source port, and the port above it, and keeps what the tool says.
type wire struct {
	port      int
	listeners [2]net.Listener
	served    sync.WaitGroup

	mu    sync.Mutex
	conns []*bytes.Buffer
}

// newWire listens on two ports in a row. to is the source port.
func newWire(ctx context.Context, to string) (*wire, error) {
	host, portText, err := net.SplitHostPort(to)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	w := &wire{}
	var lc net.ListenConfig
	for range 50 {
		w.listeners[0], err = lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		w.port = w.listeners[0].Addr().(*net.TCPAddr).Port
		w.listeners[1], err = lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", w.port+1))
		if err == nil {
			break
		}
		err = errors.Join(err, w.listeners[0].Close())
	}
	if err != nil {
		return nil, err
	}
	for i, l := range w.listeners {
		w.served.Go(func() { w.serve(l, net.JoinHostPort(host, strconv.Itoa(port+i))) })
	}
	return w, nil
}

// close ends the listening and returns when all connections have ended.
func (w *wire) close() {
	for _, l := range w.listeners {
		_ = l.Close()
	}
	w.served.Wait()
}

func (w *wire) serve(l net.Listener, to string) {
	for {
		tool, err := l.Accept()
		if err != nil {
			return
		}
		w.served.Go(func() { w.join(tool.(*net.TCPConn), to) })
	}
}

// join carries a connection's bytes both ways until both ends have ended.
func (w *wire) join(tool *net.TCPConn, to string) {
	defer tool.Close() //nolint:errcheck // it has ended
	conn, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer conn.Close() //nolint:errcheck // it has ended
	heard := &bytes.Buffer{}
	w.mu.Lock()
	w.conns = append(w.conns, heard)
	w.mu.Unlock()
	source := conn.(*net.TCPConn)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(tool, source)
		_ = tool.Close() // the source wants no more
	})
	_, _ = io.Copy(source, io.TeeReader(tool, ear{w, heard}))
	_ = source.CloseWrite()
	back.Wait()
}

// An ear keeps what goes by.
type ear struct {
	w     *wire
	heard *bytes.Buffer
}

func (e ear) Write(p []byte) (int, error) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	return e.heard.Write(p)
}

// audio writes what the longest connection carried to a file: what follows the head, without chunk sizes.
func (w *wire) audio(file string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var longest []byte
	for _, c := range w.conns {
		if c.Len() > len(longest) {
			longest = c.Bytes()
		}
	}
	head, audio, ok := bytes.Cut(longest, []byte("\r\n\r\n"))
	if lf, rest, found := bytes.Cut(longest, []byte("\n\n")); found && (!ok || len(lf) < len(head)) {
		head, audio, ok = lf, rest, true
	}
	if !ok {
		return fmt.Errorf("no end of the head in %q", longest[:min(len(longest), 200)])
	}
	if bytes.Contains(bytes.ToLower(head), []byte("transfer-encoding: chunked")) {
		audio = unchunk(audio)
	}
	return os.WriteFile(file, audio, 0o600)
}

// unchunk takes the sizes out, as far as the chunks are whole.
func unchunk(audio []byte) (plain []byte) {
	for {
		line, rest, ok := bytes.Cut(audio, []byte("\r\n"))
		size, err := strconv.ParseUint(string(line), 16, 31)
		if !ok || err != nil || size == 0 || len(rest) < int(size)+2 {
			return plain
		}
		plain = append(plain, rest[:size]...)
		audio = rest[size+2:]
	}
}
