// SPDX-License-Identifier: MIT

//go:build lab && linux

package sources_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	readyMax = 30 * time.Second // a node starts, on a loaded machine
	leaveMax = 15 * time.Second
	password = "hackme"
)

// A node is a running streamer.
type node struct {
	name  string
	ended chan struct{}
	cmd   *exec.Cmd
	said  bytes.Buffer // to be read after it ended
	ready struct {
		HTTP      string `json:"http"`
		UDP       int    `json:"udp"`
		Source    string `json:"source"`
		StationID string `json:"station_id"`
	}
}

// startNode runs `streamer args...` and returns when it serves.
func startNode(ctx context.Context, dir, name string, args ...string) (*node, error) {
	readyFile := filepath.Join(dir, name+".ready.json")
	nd := &node{name: name, ended: make(chan struct{})}
	args = append(args, "--port", "0", "--http", "127.0.0.1:0", "--data-dir", filepath.Join(dir, name),
		"--ready-file", readyFile, "--no-open", "--no-lan", "--no-dht", "--no-portmap", "--no-gossip")
	nd.cmd = exec.Command(streamer, args...) //nolint:noctx // it ends by stop, politely
	nd.cmd.Stdout, nd.cmd.Stderr = &nd.said, &nd.said
	nd.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := nd.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = nd.cmd.Wait() // stop tells
		close(nd.ended)
	}()
	err := await(ctx, readyMax, name+" serves", func() bool {
		b, err := os.ReadFile(readyFile)
		return err == nil && json.Unmarshal(b, &nd.ready) == nil
	})
	if err != nil {
		nd.stop()
		return nil, fmt.Errorf("%w\n%s", err, nd.said.Bytes())
	}
	return nd, nil
}

// stop asks the node to leave, and makes it.
func (nd *node) stop() {
	_ = nd.cmd.Process.Signal(syscall.SIGTERM) // an error: it has ended
	select {
	case <-nd.ended:
	case <-time.After(leaveMax):
		_ = nd.cmd.Process.Kill()
		<-nd.ended
	}
}

// A status is what /api/v1/status says, as far as we ask.
type status struct {
	Tuned []struct {
		Hops   *int `json:"hops"`
		Chunks struct {
			Missing uint64 `json:"missing"`
		} `json:"chunks"`
		Parents []struct {
			Addr netip.AddrPort `json:"addr"`
		} `json:"parents"`
	} `json:"tuned"`
}

func (nd *node) status(ctx context.Context) (s status, err error) {
	resp, err := nd.get(ctx, "/api/v1/status")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("status of %s: %s", nd.name, resp.Status)
	}
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

func (nd *node) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(nd.ready.HTTP, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

// A chain is a broadcaster, a listener that it feeds, and a listener that knows only the first one.
type chain struct{ source, middle, last *node }

// startChain starts the nodes with so much upload, in bit/s.
func startChain(ctx context.Context, dir string, upload int) (c *chain, err error) {
	c = &chain{}
	rate := fmt.Sprint(upload)
	link := func(by *node) string {
		return fmt.Sprintf("streamerp2p://%s?peer=127.0.0.1:%d", c.source.ready.StationID, by.ready.UDP)
	}
	c.source, err = startNode(ctx, dir, "source",
		"broadcast", "--source", "127.0.0.1:0", "--source-password", password, "--upload", rate)
	if err == nil {
		c.middle, err = startNode(ctx, dir, "middle", "listen", link(c.source), "--player", "none", "--upload", rate)
	}
	if err == nil {
		c.last, err = startNode(ctx, dir, "last", "listen", link(c.middle), "--player", "none", "--upload", "0")
	}
	if err != nil {
		c.stop()
	}
	return c, err
}

func (c *chain) stop() {
	for _, nd := range []*node{c.last, c.middle, c.source} {
		if nd != nil {
			nd.stop()
		}
	}
}

// A route is what the last node said of its place while it played.
type route struct {
	hops    map[int]bool
	middle  bool // it was fed by the middle
	others  bool // it was fed by somebody else, too
	missing uint64
}

// watch asks the last node for its place until ctx ends.
func (c *chain) watch(ctx context.Context) route {
	r := route{hops: map[int]bool{}}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return r
		case <-tick.C:
		}
		s, err := c.last.status(ctx)
		if err != nil || len(s.Tuned) == 0 {
			continue
		}
		st := s.Tuned[0]
		r.missing = st.Chunks.Missing
		for _, p := range st.Parents {
			if int(p.Addr.Port()) == c.middle.ready.UDP {
				r.middle = true
			} else {
				r.others = true
			}
		}
		if len(st.Parents) > 0 && st.Hops != nil {
			r.hops[*st.Hops] = true
		}
	}
}

// record writes the station's audio to w until ctx ends or the response does. A node answers that a station is not on the
// air after a while: then it is asked again.
func (nd *node) record(ctx context.Context, stationID string, w io.Writer) error {
	for {
		resp, err := nd.get(ctx, "/listen/"+stationID)
		switch {
		case ctx.Err() != nil && err != nil:
			return errors.New("nothing to record before the end")
		case err != nil:
			return err
		case resp.StatusCode == http.StatusServiceUnavailable:
			_ = resp.Body.Close()
			continue
		case resp.StatusCode != http.StatusOK:
			_ = resp.Body.Close()
			return fmt.Errorf("GET /listen: %s", resp.Status)
		}
		_, err = io.Copy(w, resp.Body)
		_ = resp.Body.Close()
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
}

// await looks until done says so: what it waits for happens in other processes, which send no word.
func await(ctx context.Context, limit time.Duration, what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %s", limit, what)
		case <-tick.C:
		}
	}
	return nil
}
