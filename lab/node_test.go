// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// nodePort is the UDP port of all nodes in the lab.
const nodePort = 8466

// A node is a running streamer.
type node struct {
	*netlab.Process
	host  *netlab.Host
	args  []string
	dir   string // of the node's own files
	ready ready
	http  *http.Client
	began time.Time
}

// ready is what --ready-file holds.
type ready struct {
	HTTP      string `json:"http"`
	UDP       int    `json:"udp"`
	Source    string `json:"source"`
	Link      string `json:"link"`
	StationID string `json:"station_id"`
}

// startNode runs `streamer args...` on a host, in a data directory that is the name's own, and waits until it serves.
func startNode(t *testing.T, h *netlab.Host, name string, args ...string) *node {
	t.Helper()
	nd := launchNode(t, h, name, args...)
	nd.awaitReady(t)
	return nd
}

// launchNode is startNode without the wait.
func launchNode(t *testing.T, h *netlab.Host, name string, args ...string) *node {
	t.Helper()
	nd := &node{host: h, dir: filepath.Join(h.Dir(), name+".d"), http: &http.Client{
		Transport: &http.Transport{DialContext: h.Dial, DisableKeepAlives: true}, Timeout: 10 * time.Second,
	}}
	if err := os.MkdirAll(nd.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	nd.args = append([]string{streamer}, args...)
	nd.args = append(nd.args, "--data-dir", filepath.Join(nd.dir, "data"), "--ready-file", nd.readyFile(), "--no-open",
		"--no-lan", "--no-dht", "--no-portmap", "--log-level", "debug")
	if !has(args, "--http") {
		nd.args = append(nd.args, "--http", "127.0.0.1:0")
	}
	if !has(args, "--port") {
		nd.args = append(nd.args, "--port", fmt.Sprint(nodePort))
	}
	nd.Process = &netlab.Process{Name: name}
	nd.launch(t)
	t.Cleanup(func() { nd.keepStatus(t) })
	return nd
}

// keepStatus writes the node's last words beside its log when the test failed.
func (nd *node) keepStatus(t *testing.T) {
	t.Helper()
	if !t.Failed() || nd.ready.HTTP == "" {
		return
	}
	var b json.RawMessage
	if nd.get("/api/v1/status", &b) == nil { // an error: it was killed, or hangs
		_ = os.WriteFile(filepath.Join(nd.host.Dir(), nd.Name+".status.json"), b, 0o644)
	}
}

func has(args []string, flag string) bool {
	for _, a := range args {
		if a == flag || strings.HasPrefix(a, flag+"=") {
			return true
		}
	}
	return false
}

func (nd *node) readyFile() string { return filepath.Join(nd.dir, "ready.json") }

// launch runs the node, for the first time or again after it ended.
func (nd *node) launch(t *testing.T) {
	t.Helper()
	_ = os.Remove(nd.readyFile())
	nd.began = time.Now()
	p, err := nd.host.Start(netlab.Command{Name: nd.Name, Args: nd.args})
	if err != nil {
		t.Fatal(err)
	}
	nd.Process = p
}

// awaitReady waits until the node serves.
func (nd *node) awaitReady(t *testing.T) {
	t.Helper()
	await(t, 15*time.Second, nd.Name+" serves", func() bool {
		select {
		case <-nd.Done():
			log, _ := os.ReadFile(nd.Log)
			t.Fatalf("%s ended before it served: %v\n%s", nd.Name, nd.Wait(0), tail(log, 2000))
		default:
		}
		b, err := os.ReadFile(nd.readyFile())
		return err == nil && json.Unmarshal(b, &nd.ready) == nil
	})
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// leave asks the node to leave politely and returns how long it took.
func (nd *node) leave(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	if err := nd.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := nd.Wait(15 * time.Second); err != nil {
		t.Errorf("%s left: %v", nd.Name, err)
	}
	return time.Since(began)
}

// addr is where the node's peers reach it.
func (nd *node) addr() netip.AddrPort {
	return netip.AddrPortFrom(nd.host.IPv4(), uint16(nd.ready.UDP))
}

// link is the link to a broadcaster's station by way of the given nodes.
func (nd *node) link(by ...*node) string {
	link := "streamerp2p://" + nd.ready.StationID
	for i, peer := range by {
		sep := "&"
		if i == 0 {
			sep = "?"
		}
		link += sep + "peer=" + peer.addr().String()
	}
	return link
}

func (nd *node) url(path string) string { return strings.TrimSuffix(nd.ready.HTTP, "/") + path }

// get asks the node's API.
func (nd *node) get(path string, v any) error {
	// Not the test's context: this is asked when the test is over, too.
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, nd.url(path), nil)
	if err != nil {
		return fmt.Errorf("%s: %w", nd.Name, err)
	}
	resp, err := nd.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", nd.Name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: GET %s: %s", nd.Name, path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("%s: GET %s: %w", nd.Name, path, err)
	}
	return nil
}

// listen opens the station's audio. The body is endless.
func (nd *node) listen(ctx context.Context, stationID string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, nd.listenURL(stationID), nil)
	if err != nil {
		return nil, err
	}
	endless := http.Client{Transport: nd.http.Transport}
	resp, err := endless.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s: GET /listen: %s", nd.Name, resp.Status)
	}
	return resp.Body, nil
}

func (nd *node) listenURL(stationID string) string {
	return nd.url("/listen/" + stationID)
}
