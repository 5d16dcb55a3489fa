// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mesh"
	"streamer/internal/mono"
)

// GossipConfig is how a node finds hosts and stations.
type GossipConfig struct {
	Secret   [32]byte      // of the tables of hosts; kept over restarts
	HostsMax int           // 0: gossip.HostsMaxDefault
	AskEvery time.Duration // between asks of random hosts; 0: gossip.AskEveryDefault
}

// discovery is the node's part in finding hosts and stations: gossip, which speaks through the links' sealed exchanges.
type discovery struct {
	gossip *gossip.Gossip
	out    gossip.Output
	own    []announcement
	tuned  []identity.StationID // as gossip was told
	review mono.Time            // next look at who needs peers

	tokens int64 // bytes of asks and answers that a capped upload allows beside audio; may be below zero
	filled mono.Time
	paused mono.Time // no ask before
}

// reviewEvery is how often the node looks which stations need peers and what others are told of it.
const reviewEvery = 500 * time.Millisecond

// While a node with a cap carries audio, asks and answers get a thirty-second of it, of 4 kbit/s at least.
const (
	gossipShare     = 32
	gossipCapMin    = 128_000
	gossipBurst     = 8 << 10 // bytes
	gossipBurstSpan = 30      // seconds' worth of bytes, where that is less
	gossipAnswers   = 2       // one part of so many of that is for answers alone: or all would ask, and nobody answer
	exchangeAround  = 100     // bytes around an ask or an answer, IP and all
)

// gossipRate is how many bytes of asks or answers a second may go out; 0: any.
func (n *Node) gossipRate(now mono.Time) int64 {
	switch {
	case n.sharesLine(now):
		return gossipShared
	case n.up.capped() && len(n.stations) > 0:
		return max(n.up.capBPS, gossipCapMin) / gossipShare / 8
	}
	return 0
}

// mayAnswer reports whether the upload allows an answer now.
func (n *Node) mayAnswer(now mono.Time) bool {
	may, _ := n.mayGossip(now, 0)
	return may
}

// mayAskOthers reports whether the upload allows an ask now, and otherwise when.
func (n *Node) mayAskOthers(now mono.Time) (bool, mono.Time) {
	return n.mayGossip(now, min(gossipBurst, n.gossipRate(now)*gossipBurstSpan)/gossipAnswers)
}

// mayGossip reports whether more than spare bytes are left, and otherwise when there will be.
func (n *Node) mayGossip(now mono.Time, spare int64) (bool, mono.Time) {
	d := &n.finder
	rate := n.gossipRate(now)
	if rate == 0 {
		d.tokens, d.filled = gossipBurst, now
		return true, now
	}
	if earned := int64(now.Sub(d.filled)/time.Millisecond) * rate / 1000; earned > 0 {
		d.tokens, d.filled = min(gossipBurst, rate*gossipBurstSpan, d.tokens+earned), now
	}
	if d.tokens > spare {
		return true, now
	}
	return false, now.Add(time.Duration(1+spare-d.tokens) * time.Second / time.Duration(rate)).Add(time.Millisecond)
}

func (n *Node) initDiscovery(now mono.Time) {
	n.finder.review = mono.Never
	if c := n.cfg.Gossip; c != nil {
		n.finder.gossip = gossip.New(now, gossip.Config{Secret: c.Secret, Self: n.cfg.Key.Public(), Rand: n.rand,
			HostsMax: c.HostsMax, AskEvery: c.AskEvery})
		n.finder.review = now
	}
}

// discoveryDeadline is when runDiscovery is to be called.
func (n *Node) discoveryDeadline() mono.Time {
	if n.finder.gossip == nil || n.leaving {
		return mono.Never
	}
	return mono.Min(n.finder.review, max(n.finder.gossip.Deadline(), n.finder.paused))
}

// runDiscovery does what is due.
func (n *Node) runDiscovery(now mono.Time, out *Output) {
	d := &n.finder
	if now < n.discoveryDeadline() {
		return
	}
	if now >= d.review {
		d.review = now.Add(reviewEvery)
		n.announceDue(now)
		n.tellTuned()
		n.searchPeers(now)
	}
	if now >= d.gossip.Deadline() && now >= d.paused {
		var may bool
		if may, d.paused = n.mayAskOthers(now); may {
			d.gossip.Advance(now, &d.out)
		}
	}
	n.drainGossip(now, out)
}

// tellTuned tells gossip what this node listens to.
func (n *Node) tellTuned() {
	d := &n.finder
	d.tuned = d.tuned[:0]
	for _, st := range n.stations {
		if st.Role() == mesh.Listener && st.Fed() {
			d.tuned = append(d.tuned, st.id)
		}
	}
	d.gossip.SetTuned(d.tuned)
	d.gossip.SetBusy(len(n.stations) > 0)
}

// searchPeers has gossip look for hosts on the stations that nobody feeds.
func (n *Node) searchPeers(now mono.Time) {
	n.noteSharing(now)
	for _, st := range n.stations {
		hungry := st.Role() != mesh.Source && !st.Fed()
		if hungry && !st.sought {
			n.finder.gossip.Find(now, st.id, &n.finder.out)
		} else if !hungry && st.sought {
			n.finder.gossip.StopFind(st.id)
		}
		st.sought = hungry
	}
}

// handleExchanges hands over what came by exchanges.
func (n *Node) handleExchanges(now mono.Time, out *Output) {
	d := &n.finder
	for i := 0; i < len(out.Exchanges); i++ {
		ev := &out.Exchanges[i]
		if d.gossip == nil || n.leaving {
			continue
		}
		switch ev.Kind {
		case link.ExchangeAsked:
			if !n.mayAnswer(now) {
				continue // whoever asks asks somebody else
			}
			if answer := d.gossip.HandleAsk(now, ev.From, ev.Payload, ev.Room, &d.out); answer != nil {
				n.links.Answer(now, ev.Reply, answer, &out.Output)
				d.tokens -= int64(len(answer)) + exchangeAround
			}
		case link.ExchangeAnswered:
			d.gossip.HandleAnswer(now, ev.Token, ev.Node, ev.From, ev.Payload, &d.out)
		case link.ExchangeFailed:
			d.gossip.Failed(now, ev.Token)
		}
	}
	out.Exchanges = out.Exchanges[:0]
	n.drainGossip(now, out)
}

// drainGossip sends what gossip asks, and gives stations what it found.
func (n *Node) drainGossip(now mono.Time, out *Output) {
	d := &n.finder
	for i := range d.out.Asks {
		a := &d.out.Asks[i]
		q := link.Question{To: a.To, Node: a.Node, Token: a.Token, Payload: a.Payload, AnswerBytes: a.AnswerBytes}
		if !n.links.Ask(now, q, &out.Output) {
			d.gossip.Failed(now, a.Token)
		}
		d.tokens -= int64(max(len(a.Payload), a.AnswerBytes)) + exchangeAround
	}
	for i := range d.out.Found {
		f := &d.out.Found[i]
		if st := n.find(f.Station); st != nil && st.Role() != mesh.Source {
			st.AddFound(now, f.Host.Addr, f.Host.Node, f.Proxies)
		}
	}
	for i := range d.out.Seen {
		n.meeting.reach.Observer().Seen(now, d.out.Seen[i].By, d.out.Seen[i].You)
	}
	if d.out.Changed {
		out.StationsChanged = true
	}
	d.out.Reset()
}

// meet adds hosts.
func (n *Node) meet(now mono.Time, c MeetCommand) {
	for _, h := range c.Hosts {
		n.meetNear(now, h)
	}
	if n.finder.gossip == nil {
		return
	}
	for _, a := range c.Seeds {
		n.finder.gossip.AddSeed(now, a)
	}
	for _, h := range c.Hosts {
		n.finder.gossip.AddHost(now, h, netip.Addr{})
	}
}

// Stations returns what is known of all stations, sorted for people: those on the air by listeners, then the others by when
// they were last alive.
func (n *Node) Stations(now mono.Time) []gossip.StationInfo {
	if n.finder.gossip == nil {
		return nil
	}
	return n.finder.gossip.Stations(now)
}

// Station returns what is known of one station, ok false when nothing is.
func (n *Node) Station(now mono.Time, id identity.StationID) (gossip.StationInfo, bool) {
	if n.finder.gossip == nil {
		return gossip.StationInfo{}, false
	}
	return n.finder.gossip.Station(now, id)
}

// Lookup returns the stations that a person may mean by a name, the likeliest first.
func (n *Node) Lookup(now mono.Time, name string) []gossip.StationInfo {
	if n.finder.gossip == nil {
		return nil
	}
	return n.finder.gossip.Lookup(now, name)
}

// Save returns the hosts and stations to keep for the next run.
func (n *Node) Save() gossip.Saved {
	if n.finder.gossip == nil {
		return gossip.Saved{}
	}
	return n.finder.gossip.Save()
}

func (n *Node) restore(now mono.Time, c RestoreCommand) {
	if n.finder.gossip != nil {
		n.finder.gossip.Restore(now, c.Saved)
		for _, h := range c.Saved.Hosts {
			n.meeting.reach.Observer().Contacted(now, h.Addr) // the router may remember
		}
	}
}

func (n *Node) setGossipWall(now mono.Time, unix int64) {
	if n.finder.gossip != nil {
		n.finder.gossip.SetWall(now, unix)
	}
}

// stopSearch ends the search for hosts on a station.
func (n *Node) stopSearch(st *station) {
	if st.sought {
		n.finder.gossip.StopFind(st.id)
		st.sought = false
	}
}
