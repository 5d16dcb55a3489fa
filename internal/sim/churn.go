// SPDX-License-Identifier: MIT

package sim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"streamer/internal/mono"
)

// Arrivals are a share of the audience that joins at one time. The hosts are of all groups alike.
type Arrivals struct {
	Permille int           // of Scenario.Nodes
	At       time.Duration // when the first joins
	Over     time.Duration // the last joins this much later; or
	Doubling time.Duration // the audience doubles in each of these, once the first arrivalsFirst are there
}

// arrivalsFirst is how many hosts a growing audience begins with: what a source can feed, and a few more.
const arrivalsFirst = 8

// time returns when the i-th of n hosts joins, to the millisecond: logarithms may differ in the last bit between machines.
func (a *Arrivals) time(i, n int) time.Duration {
	if a.Doubling == 0 {
		return a.At + a.Over*time.Duration(i)/time.Duration(n)
	}
	return a.At + milliseconds(float64(a.Doubling)*math.Log2(1+float64(i)/arrivalsFirst))
}

// last returns when the last of a scenario's hosts joins.
func (a *Arrivals) last(nodes int) time.Duration {
	n := max(1, nodes*a.Permille/1000)
	return a.time(n-1, n)
}

func milliseconds(ns float64) time.Duration {
	return time.Duration(math.Round(ns/1e6)) * time.Millisecond
}

// Churn replaces listeners: one goes, and at once another comes, of the same group, with another key and at another address
// (behind boxes: at the same).
type Churn struct {
	Permille  int           // of the audience, replaced in a minute
	From      time.Duration // of the run
	Until     time.Duration // 0: to its end
	HeavyTail bool          // sessions are Lomax with shape 2, not exponential: many are short, a few are very long
	Polite    int           // permille of those who go that say so
}

func (c *Churn) check(s *Scenario) error {
	switch {
	case c.Permille < 0 || c.Permille > churnMost:
		return fmt.Errorf("churn: %d permille a minute, want 0 to %d", c.Permille, churnMost)
	case c.Polite < 0 || c.Polite > 1000:
		return fmt.Errorf("churn: %d permille of it polite, want 0 to 1000", c.Polite)
	case c.From < 0 || c.Until < 0 || c.Until > 0 && c.Until < c.From || c.From > s.Duration:
		return errors.New("churn: want it to begin and to end within the run")
	}
	return nil
}

// churnMost is the most that may be replaced in a minute: everybody six times.
const churnMost = 6000

// session draws how long a host stays: from now on, for one that was there when the churn began (the rest of a session that
// has lasted for some time), or from its beginning. Sessions are such that the rate of replacement is the same at any time.
func (c *Churn) session(r *rand.Rand, rest bool) time.Duration {
	mean := float64(time.Minute) * 1000 / float64(c.Permille)
	if !c.HeavyTail {
		return milliseconds(r.ExpFloat64() * mean)
	}
	// Lomax with shape a and scale b has the mean b/(a-1); what is left of one at a random moment is Lomax with shape a-1.
	// Here a = 2, so that b is the mean.
	u := 1 - r.Float64()
	length := mean * (1/math.Sqrt(u) - 1)
	if rest {
		length = mean * (1/u - 1)
	}
	return milliseconds(min(length, float64(DurationMax)))
}

// plan draws when a host that is up will go, if there is churn.
func (w *World) plan(h *host, rest bool) {
	c := &w.scenario.Churn
	if c.Permille == 0 || h.index == sourceIndex || w.isSeed(h) || h.liar != nil {
		return
	}
	if !rest && w.now < mono.Time(c.From) {
		return // planned when the churn begins
	}
	at := w.now.Add(c.session(w.churn, rest))
	if c.Until > 0 && at > mono.Time(c.Until) {
		return
	}
	w.events.push(event{at: at, kind: eventReplace, host: h.index, arg: int32(h.lives)})
}

// beginChurn plans the end of everybody's session.
func (w *World) beginChurn() {
	for i := 1; i <= w.scenario.Nodes; i++ {
		if w.hosts[i].stays() {
			w.plan(&w.hosts[i], true)
		}
	}
}

// replace ends a host's session and begins that of another one in its place.
func (w *World) replace(h *host) {
	w.faults.quietSince = w.now
	w.watchChildren(h)
	w.end(h, w.churn.IntN(1000) < w.scenario.Churn.Polite, true)
}

// move gives a host that is down another address.
func (w *World) move(h *host) {
	if w.nat == nil {
		h.addr = addrOf(h.index + int32(int(h.lives)%(hostsBelow/len(w.hosts))*len(w.hosts)))
	}
}
