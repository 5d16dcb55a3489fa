// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startTime = 30 * time.Second // for a node to serve, on a loaded machine
	leaveTime = 15 * time.Second
)

// A node is a running streamer.
type node struct {
	dir   string
	args  []string
	cmd   *exec.Cmd
	ended chan struct{}
	ready ready
}

// ready is what --ready-file holds.
type ready struct {
	HTTP      string `json:"http"`
	UDP       int    `json:"udp"`
	Link      string `json:"link"`
	StationID string `json:"station_id"`
}

// launch runs `streamer args...` with its files in dir, and waits until it serves.
func launch(dir string, args ...string) (*node, error) {
	nd := &node{dir: dir, args: append(args, "--data-dir", filepath.Join(dir, "data"), "--ready-file", filepath.Join(dir, "ready.json"),
		"--port", "0", "--no-open", "--no-lan", "--no-dht", "--no-portmap")}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := nd.start("127.0.0.1:0"); err != nil {
		nd.kill()
		return nil, err
	}
	return nd, nil
}

// start runs it, for the first time or again after it ended.
func (nd *node) start(http string) error {
	file := filepath.Join(nd.dir, "ready.json")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	log, err := os.OpenFile(filepath.Join(nd.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the process has its own
	nd.cmd = exec.CommandContext(context.Background(), streamer, append(nd.args, "--http", http)...)
	nd.cmd.Stdout, nd.cmd.Stderr = log, log
	nd.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // nothing outlives a test that was killed
	nd.ended = make(chan struct{})
	if err := nd.cmd.Start(); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // killed, or the log says why
		close(ended)
	}(nd.cmd, nd.ended)
	for began := time.Now(); ; {
		if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &nd.ready) == nil {
			return nil
		}
		select {
		case <-nd.ended:
			words, _ := os.ReadFile(log.Name())
			return fmt.Errorf("the node ended before it served: %s", words)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Since(began) > startTime {
			return fmt.Errorf("%q does not serve within %v", nd.args, startTime)
		}
	}
}

// kill ends it at once.
func (nd *node) kill() {
	if nd.cmd == nil || nd.cmd.Process == nil {
		return
	}
	select {
	case <-nd.ended: // its group's id may be somebody else's by now
		return
	default:
	}
	_ = syscall.Kill(-nd.cmd.Process.Pid, syscall.SIGKILL)
	<-nd.ended
}

// leave ends it politely.
func (nd *node) leave(t *testing.T) {
	t.Helper()
	if err := nd.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-nd.ended:
	case <-time.After(leaveTime):
		t.Fatalf("%q does not leave within %v", nd.args, leaveTime)
	}
}

// newNode runs a node for a test.
func newNode(t *testing.T, args ...string) *node {
	t.Helper()
	nd, err := launch(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nd.kill)
	return nd
}

// newListener runs a node that knows the studio.
func newListener(t *testing.T, args ...string) *node {
	t.Helper()
	return newNode(t, append([]string{"run", "--seed", studio.udp()}, args...)...)
}

func (nd *node) udp() string { return fmt.Sprintf("127.0.0.1:%d", nd.ready.UDP) }

func (nd *node) url(path string) string { return strings.TrimSuffix(nd.ready.HTTP, "/") + path }

// get asks the node's API.
func (nd *node) get(t *testing.T, path string, v any) {
	t.Helper()
	resp := nd.do(t, http.MethodGet, path, nil)
	defer resp.Body.Close() //nolint:errcheck // read to its end
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

// do sends a request with the node's token, and requires that it succeeds.
func (nd *node) do(t *testing.T, method, path string, body any) *http.Response {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, nd.url(path), bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(nd.dir, "data", "control-token"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Streamer-Token", strings.TrimSpace(string(token)))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode/100 != 2 {
		words, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s %s: %s %s", method, path, resp.Status, words)
	}
	return resp
}

// hear tunes the node in and takes its audio until the test ends: so there is a past to go back to.
func (nd *node) hear(t *testing.T, link string) {
	t.Helper()
	_ = nd.do(t, http.MethodPost, "/api/v1/tune", map[string]string{"station": link}).Body.Close()
	id, _, _ := strings.Cut(strings.TrimPrefix(link, "streamerp2p://"), "?")
	resp := nd.do(t, http.MethodGet, "/listen/"+id, nil)
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, resp.Body) // until the test ends
		close(ended)
	}()
	t.Cleanup(func() {
		_ = resp.Body.Close()
		<-ended
	})
}
