// SPDX-License-Identifier: MIT

//go:build lab && linux

package crowd

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	core "streamer/internal/node"
	"streamer/internal/sim"
	"streamer/lab/netlab"
)

// A crowd is a scenario's source and audience, running.
type crowd struct {
	t      *testing.T
	s      sim.Scenario
	gossip bool // nodes also learn of hosts and stations by gossip, as they do in life
	net    *netlab.Network
	source *running
	link   string
	seats  []*seat
	random *rand.Rand // of who goes
	stalls *netlab.Stalls
	began  time.Time // of the scenario
	struck int       // faults so far

	mu      sync.Mutex
	lives   []*running // all listeners so far
	byAddr  map[string]*running
	refills []refill
	watches sync.WaitGroup // children whose parent went
	window  window
	past    past
	stop    chan struct{}
	stopped chan struct{}
}

// A seat is a host of the audience with its line. One node after the other runs on it.
type seat struct {
	name  string
	host  *netlab.Host
	place sim.Place
	lives int
	now   *running // nil: nobody
}

// newCrowd builds the network of a scenario and puts the station on the air. Nobody listens yet.
func newCrowd(t *testing.T, s sim.Scenario, seed uint64, gossip bool) *crowd {
	t.Helper()
	world, err := sim.New(s, sim.Options{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	if s.Gossip || s.Seeds > 0 || s.Churn.HeavyTail {
		t.Fatalf("scenario %s: the lab's crowds have no seeds, no homes and no heavy tail", s.Name)
	}
	c := &crowd{
		t: t, s: s, gossip: gossip, net: netlab.New(t, seed), stalls: netlab.WatchStalls(t), random: rand.New(rand.NewPCG(seed, 1)), byAddr: map[string]*running{},
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	var host *netlab.Host
	for i, p := range world.Places() {
		g := &s.Source
		if p.Group >= 0 {
			g = &s.Groups[p.Group]
		}
		name := fmt.Sprintf("h%02d", i)
		h := c.net.Host(t, name, c.line(g.Line, g.Line.UpBPS, p.Delay, false), c.line(g.Line, g.Line.DownBPS, p.Delay, true))
		if i == 0 {
			host = h
			continue
		}
		if g.Hostile != 0 || g.Hints != sim.HintSource || len(g.Home.NAT) > 0 {
			t.Fatalf("scenario %s, group %s: the lab's crowds are honest, have no homes, and know the source", s.Name, g.Name)
		}
		c.seats = append(c.seats, &seat{name: name, host: h, place: p})
	}
	c.broadcast(host)
	go c.sample()
	t.Cleanup(func() { // before the network goes
		close(c.stop)
		<-c.stopped
		c.watches.Wait()
	})
	return c
}

// line is one direction of a host's line as the simulator has it. What is lost on the way is lost by the receiver.
func (c *crowd) line(l sim.Line, bps int64, delay time.Duration, down bool) netlab.Line {
	depth := l.Queue
	if depth == 0 {
		depth = sim.QueueDefault
	}
	// The simulator takes a packet while those before it wait for less than the depth, the lab while it fits.
	const packet = 1228
	line := netlab.Line{Delay: delay, RateBPS: bps, QueueBytes: int(bps/8*depth.Milliseconds()/1000) + packet}
	if down {
		p := &c.s.Path
		line.Jitter, line.Loss, line.Burst = p.Jitter, float64(p.LossPPM)/1e6, float64(p.LossBurst)
		line.Reorder, line.ReorderBy = float64(p.ReorderPPM)/1e6, p.ReorderHold
	}
	return line
}

// broadcast starts the source and the scenario's clock.
func (c *crowd) broadcast(h *netlab.Host) {
	c.t.Helper()
	music := filepath.Join(c.net.Dir, "music.mp3")
	rate, channels := "44100", "2"
	if c.s.BitrateBPS < 64_000 { // as speech is sent
		rate, channels = "22050", "1"
	}
	// Noise, of which no two frames are equal.
	cmd := exec.CommandContext(c.t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i",
		"anoisesrc=r=44100:a=0.3:seed=1:d=120", "-ar", rate, "-ac", channels, "-b:a", fmt.Sprint(c.s.BitrateBPS), "-write_xing", "0", music)
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	nd, err := launch(h, "source", 0, c.args(c.s.Source.UploadBPS, "broadcast", music)...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.source = &running{node: nd, heard: -1}
	for nd.serves() == nil {
		if time.Since(nd.began) > 20*time.Second {
			c.t.Fatalf("the source does not serve: see %s", nd.Log)
		}
		pass(c.t, 10*time.Millisecond)
	}
	c.link = "streamerp2p://" + nd.serves().StationID + "?peer=" + nd.addr()
	c.began = time.Now()
}

// args are a node's arguments with its cap.
func (c *crowd) args(upload int64, args ...string) []string {
	offer := fmt.Sprint(upload)
	if upload == core.UploadAuto {
		offer = "auto"
	}
	args = append(args, "--upload", offer)
	if !c.gossip {
		args = append(args, "--no-gossip")
	}
	return args
}

// join starts a new node on a seat.
func (c *crowd) join(s *seat) *running {
	g := &c.s.Groups[s.place.Group]
	args := []string{"listen", c.link, "--player", "none"}
	if g.Role == core.RoleRelay {
		args = []string{"relay", c.link}
	}
	nd, err := launch(s.host, fmt.Sprintf("%s-%d", s.name, s.lives), s.lives, c.args(g.UploadBPS, args...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	s.lives++
	r := &running{node: nd, seat: s, heard: -1}
	s.now = r
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lives = append(c.lives, r)
	c.byAddr[nd.addr()] = r
	return r
}

// until waits for a moment of the scenario.
func (c *crowd) until(at time.Duration) { pass(c.t, time.Until(c.began.Add(at))) }

// gather lets all join whose time is within the limit, each at its time.
func (c *crowd) gather(limit time.Duration) {
	order := slices.Clone(c.seats)
	slices.SortStableFunc(order, func(a, b *seat) int { return int(a.place.JoinAt - b.place.JoinAt) })
	for _, s := range order {
		if s.lives == 0 && s.place.JoinAt <= limit {
			c.until(s.place.JoinAt)
			c.join(s)
		}
	}
	c.until(limit)
}

// part ends a listener, politely or by kill -9, and watches those whom it fed.
func (c *crowd) part(r *running, polite bool) {
	c.t.Helper()
	if st, ok := r.status(); ok {
		c.saw(r, st)
		c.watchChildren(r, st)
	}
	c.mu.Lock()
	r.ended = time.Now()
	delete(c.byAddr, r.addr())
	c.mu.Unlock()
	r.seat.now = nil
	if !polite {
		r.Kill()
		return
	}
	if err := r.Signal(syscall.SIGTERM); err != nil {
		c.t.Error(err)
	}
	c.watches.Go(func() {
		if err := r.Wait(15 * time.Second); err != nil {
			c.t.Errorf("%s was asked to leave: %v", r.Name, err)
			r.Kill()
		}
	})
}

// replace ends a listener; at once another one comes, on the same line, with another key and another port.
func (c *crowd) replace(r *running, polite bool) {
	c.t.Helper()
	s := r.seat
	c.part(r, polite)
	c.join(s)
}

// listeners are those that run, in the order of their seats.
func (c *crowd) listeners() (all []*running) {
	for _, s := range c.seats {
		if s.now != nil {
			all = append(all, s.now)
		}
	}
	return all
}

// anybody is a listener at random; nil: there is none.
func (c *crowd) anybody() *running {
	all := c.listeners()
	if len(all) == 0 {
		return nil
	}
	return all[c.random.IntN(len(all))]
}

// report writes down where everybody is.
func (c *crowd) report() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	line := func(r *running, group string) {
		st := &r.last
		c.t.Logf("%-8s %-7s %s hops %d lag %.0f buffer %.0f received %d missing %d repaired %d parents %d children %d", r.Name, group, r.addr(), st.Hops,
			st.LagMS, st.BufferMS, st.Chunks.Received, st.Chunks.Missing, st.Chunks.Repaired, len(st.Parents), len(st.Children))
	}
	line(c.source, "source")
	for _, s := range c.seats {
		if s.now != nil {
			line(s.now, c.s.Groups[s.place.Group].Name)
		}
	}
}
