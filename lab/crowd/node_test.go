// SPDX-License-Identifier: MIT

//go:build lab && linux

package crowd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"streamer/lab/netlab"
)

// nodePort is the UDP port of the first node on a host. The next one there has the next port: it is somebody else.
const nodePort = 8466

// A node is a running streamer. Its methods may be called from any goroutine.
type node struct {
	*netlab.Process
	host  *netlab.Host
	port  int
	dir   string
	http  *http.Client
	began time.Time

	mu    sync.Mutex
	ready *ready // nil: it does not serve yet
}

// ready is what --ready-file holds.
type ready struct {
	HTTP      string `json:"http"`
	StationID string `json:"station_id"`
}

// launch runs `streamer args...` on a host, in a data directory that is the name's own.
func launch(h *netlab.Host, name string, life int, args ...string) (*node, error) {
	nd := &node{host: h, port: nodePort + life, dir: filepath.Join(h.Dir(), name+".d"), http: &http.Client{
		Transport: &http.Transport{DialContext: h.Dial, MaxIdleConnsPerHost: 2}, Timeout: 5 * time.Second,
	}}
	if err := os.MkdirAll(nd.dir, 0o755); err != nil {
		return nil, err
	}
	args = append(append([]string{streamer}, args...), "--data-dir", filepath.Join(nd.dir, "data"), "--ready-file", nd.readyFile(),
		"--no-open", "--no-lan", "--no-dht", "--no-portmap", "--http", "127.0.0.1:0", "--port", fmt.Sprint(nd.port))
	if os.Getenv("LAB_KEEP") != "" {
		args = append(args, "--log-level", "debug")
	}
	nd.began = time.Now()
	p, err := h.Start(netlab.Command{Name: name, Args: args})
	if err != nil {
		return nil, err
	}
	nd.Process = p
	return nd, nil
}

func (nd *node) readyFile() string { return filepath.Join(nd.dir, "ready.json") }

// serves returns what the node said when it was ready; nil: it has not yet.
func (nd *node) serves() *ready {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	if nd.ready == nil {
		var r ready
		if b, err := os.ReadFile(nd.readyFile()); err == nil && json.Unmarshal(b, &r) == nil {
			nd.ready = &r
		}
	}
	return nd.ready
}

// addr is where peers reach the node.
func (nd *node) addr() string { return netip.AddrPortFrom(nd.host.IPv4(), uint16(nd.port)).String() }

// A status is what the node says of its one station.
type status struct {
	Role     string
	Hops     int
	BufferMS float64 `json:"buffer_ms"`
	LagMS    float64 `json:"lag_ms"`
	Chunks   struct{ Received, Repaired, Missing, Duplicate uint64 }
	Bytes    struct {
		PayloadIn uint64 `json:"payload_in"`
	}
	Parents  []neighbour
	Children []neighbour
}

// A neighbour is a parent or a child.
type neighbour struct {
	Addr    string
	Classes []int
}

// status asks the node; false: it has no station, does not serve yet, or has ended.
func (nd *node) status() (s status, ok bool) {
	r := nd.serves()
	if r == nil {
		return s, false
	}
	// Not the test's context: what polls may outlive it by a moment.
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, strings.TrimSuffix(r.HTTP, "/")+"/api/v1/status", nil)
	if err != nil {
		return s, false
	}
	resp, err := nd.http.Do(req)
	if err != nil {
		return s, false
	}
	defer func() { _ = resp.Body.Close() }()
	var all struct{ Tuned []status }
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&all) != nil || len(all.Tuned) == 0 {
		return s, false
	}
	return all.Tuned[0], true
}
