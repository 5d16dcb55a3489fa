// SPDX-License-Identifier: MIT

//go:build lab && linux

package crowd

import (
	"sync"
	"time"
)

// How the nodes are looked at: those that have not heard anything yet in each period, all others in each full one.
const (
	samplePeriod  = 100 * time.Millisecond
	samplesToFull = 10
	seriesPeriod  = 50 // of samples: every 5 s a line in the test's log
	sampleWorkers = 6
	watchPeriod   = 200 * time.Millisecond // of those that lost a parent
	startupGrace  = 8 * time.Second        // for a newcomer, before silence is silence
)

// A running node, one life on a seat, and what was seen of it. Fields below seat belong to crowd.mu.
type running struct {
	*node
	seat *seat // nil: the source

	ended time.Time     // zero: it runs
	heard time.Duration // from its start to the first chunk; -1: not yet
	at    time.Time     // of the last look
	last  status
	base  status // when the figures began

	hops            []int
	lags            []float64
	looks, silences int
}

// alive tells whether the node runs.
func (r *running) alive() bool { return r.ended.IsZero() }

// sample looks at everybody until the crowd ends.
func (c *crowd) sample() {
	defer close(c.stopped)
	tick := time.NewTicker(samplePeriod)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-c.stop:
			return
		case <-tick.C:
		}
		full := i%samplesToFull == 0
		if full {
			c.look(c.source)
		}
		var wg sync.WaitGroup
		places := make(chan struct{}, sampleWorkers)
		for _, r := range c.toLookAt(full) {
			wg.Add(1)
			places <- struct{}{}
			go func() {
				defer wg.Done()
				c.look(r)
				<-places
			}()
		}
		wg.Wait()
		if full {
			c.looked()
		}
		if i%seriesPeriod == 0 {
			c.series()
		}
	}
}

func (c *crowd) toLookAt(full bool) (all []*running) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.lives {
		if r.alive() && (full || r.heard < 0) {
			all = append(all, r)
		}
	}
	return all
}

func (c *crowd) look(r *running) {
	if st, ok := r.status(); ok {
		c.saw(r, st)
	}
}

// saw remembers what a node said.
func (c *crowd) saw(r *running, st status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !r.alive() {
		return
	}
	r.last, r.at = st, time.Now()
	if r.heard < 0 && st.Chunks.Received > 0 {
		r.heard = time.Since(r.began)
	}
}

// looked takes figures from a full look.
func (c *crowd) looked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	strong, near := 0, 0
	for _, r := range c.lives {
		if !r.alive() {
			continue
		}
		if c.isStrong(r) {
			strong++
			if r.last.Hops > 0 && r.last.Hops <= nearHops {
				near++
			}
		}
		if r.heard >= 0 && r.last.Hops > 0 {
			r.hops = append(r.hops, r.last.Hops)
			r.lags = append(r.lags, r.last.LagMS)
		}
		if time.Since(r.began) > startupGrace {
			r.looks++
			if r.last.BufferMS == 0 {
				r.silences++
			}
		}
	}
	switch {
	case strong == 0 || near < strong:
		c.window.near = time.Time{}
	case c.window.near.IsZero():
		c.window.near = time.Now()
	}
}

// series writes down how the crowd is now, and what it missed since the last time.
func (c *crowd) series() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, up, silent, missing := time.Now(), 0, 0, uint64(0)
	var lags []float64
	for _, r := range c.lives {
		missing += r.last.Chunks.Missing
		if r.alive() && r.heard >= 0 {
			up++
			lags = append(lags, r.last.LagMS)
			if r.last.BufferMS == 0 {
				silent++
			}
		}
	}
	work, stolen := load(c.past.busy, busy())
	sent := c.source.host.Sent().Bytes
	c.t.Logf("%5.1f s: %d hear, %d silent, %d missed, lag %.0f p50 %.0f most, source sends %.2f streams to %d; cores %.0f %% busy %.0f %% stolen",
		now.Sub(c.began).Seconds(), up, silent, int64(missing-c.past.missing), at(lags, 500), at(lags, 1000),
		float64(sent-c.past.sent)*8/float64(c.s.BitrateBPS)/now.Sub(c.past.at).Seconds(), len(c.source.last.Children), 100*work, 100*stolen)
	c.past = past{at: now, missing: missing, sent: sent, busy: busy()}
}

// past is what the last line of the series was about.
type past struct {
	at            time.Time
	missing, sent uint64
	busy          [3]uint64
}

// nearHops is what counts as near the source: fed by one that it feeds.
const nearHops = 2

// isStrong tells whether a node is of the group with the most upload.
func (c *crowd) isStrong(r *running) bool {
	most := int64(0)
	for i := range c.s.Groups {
		most = max(most, c.s.Groups[i].UploadBPS)
	}
	return r.seat != nil && c.s.Groups[r.seat.place.Group].UploadBPS == most
}

// A refill is what became of a child whose parent went.
type refill struct {
	took time.Duration // until others feed it all classes; -1: not while it was watched
	cost time.Duration // of its buffer, at the worst
	lost uint64        // chunks, of those that were to be played while it was watched
}

// watchFor is how long a child is watched: what was buffered when its parent went is played by then, and all that was on its way.
const watchFor = 6 * time.Second

// watchChildren begins to watch the children that a node tells of, which is about to go.
func (c *crowd) watchChildren(gone *running, st status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range st.Children {
		if child := c.byAddr[n.Addr]; child != nil && child.heard >= 0 && len(n.Classes) > 0 {
			before := child.last
			c.watches.Go(func() { c.watchChild(child, before, gone.addr()) })
		}
	}
}

func (c *crowd) watchChild(child *running, before status, gone string) {
	began, least := time.Now(), before.BufferMS
	r := refill{took: -1}
	var st status
	for time.Since(began) < watchFor {
		select {
		case <-c.stop:
			return
		case <-time.After(watchPeriod):
		}
		now, ok := child.status()
		if !ok {
			return // it went too
		}
		st = now
		least = min(least, st.BufferMS)
		if r.took < 0 && covered(st, gone) {
			r.took = time.Since(began)
		}
	}
	r.cost = time.Duration((before.BufferMS - least) * float64(time.Millisecond))
	r.lost = st.Chunks.Missing - before.Chunks.Missing
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refills = append(c.refills, r)
}

// covered tells whether all classes come from parents, without one.
func covered(s status, gone string) bool {
	classes := 0
	for _, p := range s.Parents {
		if p.Addr == gone {
			continue
		}
		for _, i := range p.Classes {
			classes |= 1 << i
		}
	}
	return classes == 1<<16-1
}
