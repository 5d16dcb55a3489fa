// SPDX-License-Identifier: MIT

//go:build lab && linux

package nat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// nodePort is the UDP port of all nodes in the lab.
const nodePort = 8466

var (
	streamer string // path of the program under test
	long     = os.Getenv("LAB_LONG") != ""
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if err := netlab.Check(); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	if streamer = os.Getenv("LAB_STREAMER"); streamer != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "streamer-lab-build-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	streamer = filepath.Join(dir, "streamer")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", streamer, "../../cmd/streamer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "lab: build streamer: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// beside lets a test go beside others in the short run: it mostly waits. The long run measures one at a time, as the short one does
// where a second decides.
func beside(t *testing.T) {
	t.Helper()
	if !long {
		t.Parallel()
	}
}

// newMusic makes a file for broadcasters: an MP3 of constant rate.
func newMusic(t *testing.T, n *netlab.Network, kbps int, length time.Duration) string {
	t.Helper()
	path := filepath.Join(n.Dir, "music.mp3")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi",
		"-i", fmt.Sprintf("anoisesrc=r=44100:a=0.3:seed=1:d=%.0f", length.Seconds()),
		"-b:a", fmt.Sprintf("%dk", kbps), "-write_xing", "0", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	return path
}

// A node is a running streamer. Its methods may be called from any goroutine, except those that take a testing.T.
type node struct {
	*netlab.Process
	host  *netlab.Host
	args  []string
	dir   string
	http  *http.Client
	began time.Time
	ready struct {
		HTTP      string `json:"http"`
		UDP       int    `json:"udp"`
		StationID string `json:"station_id"`
	}
}

// launch runs `streamer args...` on a host, in a data directory that is the name's own.
func launch(t *testing.T, h *netlab.Host, name string, args ...string) *node {
	t.Helper()
	nd := &node{host: h, dir: filepath.Join(h.Dir(), name+".d"), http: &http.Client{
		Transport: &http.Transport{DialContext: h.Dial, DisableKeepAlives: true}, Timeout: 10 * time.Second,
	}}
	nd.Process = &netlab.Process{Name: name}
	if home := h.Home(); home == nil || !home.MapsPorts() {
		args = append(args, "--no-portmap")
	}
	if err := os.MkdirAll(nd.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	nd.args = append(append([]string{streamer}, args...), "--data-dir", filepath.Join(nd.dir, "data"), "--ready-file", nd.readyFile(),
		"--no-open", "--no-lan", "--no-dht", "--log-level", "debug", "--http", "127.0.0.1:0", "--port", fmt.Sprint(nodePort))
	nd.start(t)
	t.Cleanup(func() { nd.keepStatus(t) })
	return nd
}

func (nd *node) readyFile() string { return filepath.Join(nd.dir, "ready.json") }

// start runs the node, for the first time or again after it ended.
func (nd *node) start(t *testing.T) {
	t.Helper()
	_ = os.Remove(nd.readyFile())
	nd.began = time.Now()
	p, err := nd.host.Start(netlab.Command{Name: nd.Name, Args: nd.args})
	if err != nil {
		t.Fatal(err)
	}
	nd.Process = p
}

// awaitReady waits until the nodes serve.
func awaitReady(t *testing.T, nodes ...*node) {
	t.Helper()
	for _, nd := range nodes {
		await(t, 30*time.Second, nd.Name+" serves", func() bool {
			select {
			case <-nd.Done():
				log, _ := os.ReadFile(nd.Log)
				t.Fatalf("%s ended before it served: %v\n%s", nd.Name, nd.Wait(0), log[max(0, len(log)-2000):])
			default:
			}
			b, err := os.ReadFile(nd.readyFile())
			return err == nil && json.Unmarshal(b, &nd.ready) == nil
		})
	}
}

// awaitStanding waits until a node that may be hidden knows how it is reached; behind a router that maps its port, until it
// tells others of that one.
func (nd *node) awaitStanding(t *testing.T) {
	t.Helper()
	awaitReady(t, nd)
	home := nd.host.Home()
	mapped := home != nil && home.MapsPorts()
	await(t, 30*time.Second, nd.Name+" knows how it can be reached", func() bool {
		var st status
		if nd.get("/api/v1/status", &st) != nil {
			return false
		}
		told := mapped && st.NAT.OutsideIPv4 != "" && st.NAT.OutsideIPv4 == st.Portmap.IPv4.External
		return st.Reachability == "public" || st.Reachability == "mapped" || st.NAT.Proxies > 0 && (told || !mapped)
	})
}

// keepStatus writes the node's last words beside its log when the test failed.
func (nd *node) keepStatus(t *testing.T) {
	t.Helper()
	var b json.RawMessage
	if t.Failed() && nd.ready.HTTP != "" && nd.get("/api/v1/status", &b) == nil { // an error: it was killed, or hangs
		var pretty bytes.Buffer
		_ = json.Indent(&pretty, b, "", "  ")
		_ = os.WriteFile(filepath.Join(nd.host.Dir(), nd.Name+".status.json"), pretty.Bytes(), 0o644)
	}
}

// addr is where peers reach a node on the internet.
func (nd *node) addr() string {
	return netip.AddrPortFrom(nd.host.IPv4(), uint16(nd.ready.UDP)).String()
}

// addr6 is the same with IPv6.
func (nd *node) addr6() string {
	return netip.AddrPortFrom(nd.host.IPv6(), uint16(nd.ready.UDP)).String()
}

// link is the link to a broadcaster's station that names nobody.
func (nd *node) link() string { return "streamerp2p://" + nd.ready.StationID }

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

// A status is what /api/v1/status says, as far as scenarios ask.
type status struct {
	NodeID       string `json:"node_id"`
	Reachability string `json:"reachability"`
	NAT          struct {
		Mapping   string `json:"mapping"`
		Filtering string `json:"filtering"`
		PortStep  int    `json:"port_step"`
		Proxies   int    `json:"proxies"`
		Clients   int    `json:"clients"`

		OutsideIPv4 string `json:"outside_ipv4"`
	} `json:"nat"`
	Portmap struct {
		IPv4 struct{ External string } `json:"ipv4"`
	} `json:"portmap"`
	Tuned []stationStatus `json:"tuned"`
}

type stationStatus struct {
	Role     string  `json:"role"`
	Hops     int     `json:"hops"`
	BufferMS float64 `json:"buffer_ms"`
	Chunks   struct{ Received, Repaired, Missing, Duplicate uint64 }
	Parents  []peerStatus `json:"parents"`
	Children []peerStatus `json:"children"`
}

type peerStatus struct {
	NodeID string `json:"node_id"`
	Addr   string `json:"addr"`
	RTTMS  int    `json:"rtt_ms"`
}

// tuned is the node's state on its one station; the zero value while it has none, or does not answer.
func (nd *node) tuned() stationStatus {
	var st status
	if nd.get("/api/v1/status", &st) != nil || len(st.Tuned) == 0 {
		return stationStatus{}
	}
	return st.Tuned[0]
}

// await waits until done says so. What it waits for happens in other processes, which send no word.
func await(t *testing.T, limit time.Duration, what string, done func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !done() {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		pass(t, 10*time.Millisecond)
	}
	return time.Since(began)
}

// pass lets time go by while the nodes play.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
