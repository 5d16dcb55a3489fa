// SPDX-License-Identifier: MIT

package node

import (
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mono"
	"streamer/internal/reach"
	"streamer/internal/wire"
)

// Limits of a measurement on purpose, and of those that this node takes part in for others. docs/protocol/stations.md, section 14.1.
const (
	measureTime     = 10 * time.Second // all of it, with asking
	measureBytes    = 2_000_000        // of IP packets
	measureFrom     = 256_000          // bit/s of the first step
	measureStep     = 400 * time.Millisecond
	measureGrowth   = 150 // percent of one step's rate, the next one's
	measureWindow   = 400 * time.Millisecond
	measureAfter    = 700 * time.Millisecond // the rate goes on once the line is full, so that what arrives is what it carries
	measureDelay    = 150 * time.Millisecond // then it is
	measureLoss     = 100                    // per mille, likewise
	measureAsks     = 4                      // hosts at most
	measureAskFor   = 1500 * time.Millisecond
	measureEvery    = 10 * time.Minute // for one peer, and between two of this node
	measureReport   = 100 * time.Millisecond
	measureGap      = 2 * measureReport // between reports, above which somebody stood still
	measureHosted   = 2                 // at once
	measureHostedIn = 24                // in an hour: 48 MB
	measureKept     = 64
)

// MeasureUploadCommand measures the upload on purpose, with the help of a node that strangers reach. Status says what comes of it.
type MeasureUploadCommand struct{}

func (MeasureUploadCommand) command() {}

// MeasureState is how far a measurement is.
type MeasureState uint8

// The states.
const (
	MeasureNever MeasureState = iota
	MeasureAsking
	MeasureRunning
	MeasureDone
	MeasureNobody // nobody helps, or what was sent was not reported
	MeasureLater  // the last one is less than ten minutes ago
)

// String names the state as the API does.
func (s MeasureState) String() string {
	switch s {
	case MeasureNever:
		return "never"
	case MeasureAsking:
		return "asking"
	case MeasureRunning:
		return "running"
	case MeasureDone:
		return "done"
	case MeasureNobody:
		return "nobody"
	case MeasureLater:
		return "later"
	}
	return "unknown"
}

// MeasureStatus is of the last measurement.
type MeasureStatus struct {
	State   MeasureState
	Percent int   // of the time and bytes that it may take
	BPS     int64 // MeasureDone
	AtLeast bool  // more was not tried
}

// measurement is one that this node makes.
type measurement struct {
	MeasureStatus
	asked    []identity.NodeID
	host     link.ID
	token    uint32
	began    mono.Time
	ended    mono.Time
	askedAt  mono.Time
	rate     int64 // bit/s
	stepAt   mono.Time
	next     mono.Time // when the next PAD is due
	fullAt   mono.Time // when the line was found full; 0 not yet
	sent     int
	arrivals []padsArrived
}

type padsArrived struct {
	at      mono.Time
	packets uint32
}

// hosting is what this node does for the measurements of others.
type hosting struct {
	who  identity.NodeID
	link link.ID
	at   mono.Time
	said mono.Time // when the last report went
}

// beginMeasure begins a measurement.
func (n *Node) beginMeasure(now mono.Time, out *Output) {
	m := &n.measure
	switch {
	case m.State == MeasureAsking || m.State == MeasureRunning:
		return
	case m.ended != 0 && now.Sub(m.ended) < measureEvery:
		m.State = MeasureLater
		return
	}
	*m = measurement{MeasureStatus: MeasureStatus{State: MeasureAsking}, began: now}
	n.askMeasure(now, out)
}

// askMeasure asks the next node that strangers reach; those on the LAN know nothing of the line.
func (n *Node) askMeasure(now mono.Time, out *Output) {
	m := &n.measure
	m.askedAt = now
	for id, info := range n.links.All() {
		p := n.peers[id]
		if p == nil || !info.Up || len(m.asked) >= measureAsks || slices.Contains(m.asked, p.node) ||
			!n.meeting.reach.Open(reach.PeerID(id)) || n.local.near(info.Addr.Addr()) {
			continue
		}
		m.asked, m.host, m.token = append(m.asked, p.node), id, n.rand.Uint32()
		n.meeting.reach.Hold(now, reach.PeerID(id))
		n.control(id, wire.Measure{Token: m.token}.Append)
		return
	}
	m.host = 0
	if n.finder.gossip != nil && len(m.asked) < measureAsks { // nobody with a link: dial one, and look again
		var buf [1]wire.Host
		avoid := func(h wire.Host) bool { return slices.Contains(m.asked, h.Node) }
		for _, h := range n.finder.gossip.Reachable(now, avoid, buf[:0], 1) {
			n.links.Dial(now, h.Addr, h.Node, &out.Output)
		}
	}
}

// handleMeasure handles a message of a measurement.
func (n *Node) handleMeasure(now mono.Time, id link.ID, typ byte, b []byte) (rest []byte, err error) {
	switch typ {
	case wire.TypeMeasure:
		var m wire.Measure
		if m, rest, err = wire.ParseMeasure(b); err == nil {
			n.control(id, wire.Measuring{Token: m.Token, Wait: n.host(now, id)}.Append)
		}
	case wire.TypeMeasuring:
		var a wire.Measuring
		if a, rest, err = wire.ParseMeasuring(b); err == nil {
			if m := &n.measure; m.State == MeasureAsking && id == m.host && a.Token == m.token {
				if a.Wait == 0 {
					m.State, m.rate, m.stepAt, m.next = MeasureRunning, measureFrom, now, now
				} else {
					m.askedAt = now.Add(-measureAskFor) // the next one
				}
			}
		}
	case wire.TypePad:
		for i := range n.hosted {
			h := &n.hosted[i]
			if h.link == id && now.Sub(h.at) < measureTime+time.Second && now.Sub(h.said) >= measureReport {
				h.said = now
				n.pending(id).report = true
			}
		}
	}
	return rest, err
}

// host decides whether this node takes part in a peer's measurement: 0, or for how many seconds not.
func (n *Node) host(now mono.Time, id link.ID) (wait uint16) {
	n.hosted = slices.DeleteFunc(n.hosted, func(h hosting) bool { return now.Sub(h.at) > time.Hour })
	p, running := n.peers[id], 0
	for i := range n.hosted {
		h := &n.hosted[i]
		if h.who == p.node && now.Sub(h.at) < measureEvery {
			return uint16((measureEvery - now.Sub(h.at)) / time.Second)
		}
		if now.Sub(h.at) < measureTime {
			running++
		}
	}
	switch {
	case n.leaving || running >= measureHosted:
		return uint16(measureTime / time.Second)
	case len(n.hosted) >= min(measureHostedIn, measureKept):
		return uint16(measureEvery / time.Second)
	}
	n.hosted = append(n.hosted, hosting{who: p.node, link: id, at: now})
	return 0
}

// runMeasure sends what is due.
func (n *Node) runMeasure(now mono.Time, out *Output) {
	m := &n.measure
	if now < n.measureDeadline() {
		return
	}
	switch {
	case m.State == MeasureAsking && now.Sub(m.began) >= measureTime/2:
		n.endMeasure(now)
	case m.State == MeasureAsking:
		n.askMeasure(now, out)
	case m.sent >= measureBytes || now.Sub(m.began) >= measureTime || m.fullAt != 0 && now.Sub(m.fullAt) >= measureAfter:
		if m.stepAt != mono.Never { // what is on its way is still reported
			m.stepAt, m.next = mono.Never, now.Add(measureWindow)
			return
		}
		n.endMeasure(now)
	default:
		n.sendPads(now, out)
	}
}

// sendPads sends what the present rate asks for.
func (n *Node) sendPads(now mono.Time, out *Output) {
	m := &n.measure
	if m.fullAt == 0 && now.Sub(m.stepAt) >= measureStep {
		m.rate, m.stepAt = m.rate*measureGrowth/100, now
	}
	pad := make([]byte, wire.PayloadBytesMax)
	pad[0] = wire.TypePad
	m.next = max(m.next, now.Add(-20*time.Millisecond))
	for m.next <= now {
		if !n.links.Seal(now, m.host, pad, &out.Output) {
			m.sent = measureBytes // the link is gone
			return
		}
		bytes := wire.DatagramBytesMax + 28
		m.sent += bytes
		m.next = m.next.Add(time.Duration(int64(bytes) * 8 * int64(time.Second) / m.rate))
	}
	m.Percent = max(m.sent*100/measureBytes, int(now.Sub(m.began)*100/measureTime))
}

// padsReported takes a report of the host.
func (n *Node) padsReported(now mono.Time, r link.Report) {
	m := &n.measure
	if m.State != MeasureRunning || r.ID != m.host {
		return
	}
	if last := len(m.arrivals) - 1; last >= 0 && now.Sub(m.arrivals[last].at) < measureReport/2 { // they waited for each other
		m.arrivals[last] = padsArrived{now, m.arrivals[last].packets + r.Sent - r.Lost}
	} else {
		m.arrivals = append(m.arrivals, padsArrived{now, r.Sent - r.Lost})
	}
	full := r.Measured && r.Delay > measureDelay || r.Sent >= 10 && r.Lost*1000 >= r.Sent*measureLoss
	if m.fullAt == 0 && full && len(m.arrivals) > 1 {
		m.fullAt = now
	}
}

// endMeasure says what came of it: the most that arrived within any window.
func (n *Node) endMeasure(now mono.Time) {
	m := &n.measure
	m.Percent, m.ended, m.State = 100, now, MeasureNobody
	if m.BPS = m.most(measureGap); m.BPS == 0 { // reports were rare
		m.BPS = m.most(measureTime)
	}
	if m.BPS > 0 {
		m.State, m.AtLeast = MeasureDone, m.fullAt == 0
		n.up.line.Remember(m.BPS)
	}
	m.arrivals, m.host = nil, 0
}

// most is the largest rate of any window between two reports, in bit/s, in which none came more than gap after the one before: a
// machine that stood still takes in one moment what had come in the time before.
func (m *measurement) most(gap time.Duration) (bps int64) {
	for i := 1; i < len(m.arrivals); i++ { // the window begins after report i-1
		packets, last := int64(0), m.arrivals[i-1].at
		if i > 1 && last.Sub(m.arrivals[i-2].at) > gap {
			continue
		}
		for _, a := range m.arrivals[i:] {
			if a.at.Sub(last) > gap {
				break
			}
			packets, last = packets+int64(a.packets), a.at
			if span := last.Sub(m.arrivals[i-1].at); span >= measureWindow {
				bps = max(bps, packets*(wire.DatagramBytesMax+28)*8*1000/int64(span/time.Millisecond))
				break
			}
		}
	}
	return bps
}

// measureDeadline is when runMeasure is to be called.
func (n *Node) measureDeadline() mono.Time {
	switch m := &n.measure; m.State {
	case MeasureAsking:
		return m.askedAt.Add(measureAskFor)
	case MeasureRunning:
		return m.next
	}
	return mono.Never
}
