// SPDX-License-Identifier: MIT

package reach

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

const (
	introduceRetry = 250 * time.Millisecond // doubles
	introduceTries = 4
	meetingMax     = 4 * time.Second // then it has come to nothing

	askerBurst      = 20
	askerEvery      = 3 * time.Second
	introducerBurst = 30
	introducerEvery = 500 * time.Millisecond
	allBurst        = 100
	allEvery        = 100 * time.Millisecond

	openingsHere = 8               // of askers at one address, in meetingMax
	portsBurst   = 8               // in which the target sends to predicted ports, too
	portsEvery   = 2 * time.Second // of those
	openAsked    = 2
	tellsMax     = 4  // INTRODUCTIONs with ports, and READYs, of one introduction that are heeded
	predictedLow = 3  // the first of them before the one that was said
	freshMax     = 2  // how often an asker tells other ports of its own
	addrsMax     = 4  // where one side shows up, before it is not believed any more
	predictedMax = 16 // ports of a sequential mapping
)

// punchTimes are when the target punches, after it was told.
var punchTimes = [...]time.Duration{0, 20 * time.Millisecond, 60 * time.Millisecond, 140 * time.Millisecond,
	300 * time.Millisecond, 600 * time.Millisecond, time.Second, 1600 * time.Millisecond}

// A meeting is an introduction that this node has asked for.
type meeting struct {
	token  wire.PunchToken
	target identity.NodeID
	addr   netip.AddrPort // where others say it is
	via    PeerID
	ip     netip.Addr // of the target, once it is told
	was    netip.Addr // of the target, before it was told anew: it has moved
	tries  int
	ports  wire.Ports // of this node, as the target was told
	fresh  int        // how often it was told others since
	next   mono.Time  // INTRODUCE again, or Never
	end    mono.Time
	tells  int        // INTRODUCTIONs with ports
	addrs  int        // dialled
	guess  wire.Guess // this node's part, when the first try has come to nothing
}

// An opening is an introduction in which this node is the target.
type opening struct {
	token  wire.PunchToken
	asker  identity.NodeID
	addr   netip.AddrPort
	ports  wire.Ports
	fresh  int // how often the asker told others since
	began  mono.Time
	rounds int
	next   mono.Time // Never: all rounds are done
	addrs  int
}

// A passage is an introduction that this node has made.
type passage struct {
	token         wire.PunchToken
	asker, target identity.NodeID
	asks, readies int
}

func (r *Reach) token() (t wire.PunchToken) {
	binary.BigEndian.PutUint64(t[:], r.cfg.Rand.Uint64())
	return t
}

// Meet asks the peer via to introduce this node to another, which others say is at addr. Output.Dials says when and where that may be dialled, Failed that
// nothing came of it.
func (r *Reach) Meet(now mono.Time, via PeerID, target identity.NodeID, addr netip.AddrPort, out *Output) {
	if slices.ContainsFunc(r.meetings, func(m meeting) bool { return m.target == target && m.via == via }) {
		return
	}
	if r.byNode[target] != nil || r.byID[via] == nil || len(r.meetings) >= meetingsMax || target.IsZero() || target == r.cfg.Self {
		out.Failed = append(out.Failed, target)
		return
	}
	r.meetings = append(r.meetings, meeting{token: r.token(), target: target, addr: addr, via: via, next: now, end: now.Add(meetingMax)})
	r.counts.Asked++
	r.repeatMeetings(now, out)
}

// repeatMeetings sends the INTRODUCEs that are due, and ends what took too long.
func (r *Reach) repeatMeetings(now mono.Time, out *Output) {
	for i := 0; i < len(r.meetings); {
		m := &r.meetings[i]
		over := m.tries >= introduceTries || r.byID[m.via] == nil
		switch {
		case now >= m.patience() && r.askToGuess(now, m):
			continue
		case now >= m.end || now >= m.next && over && !m.ip.IsValid():
			r.failMeeting(i, out)
			continue
		case now >= m.next && over:
			m.next = mono.Never
		case now >= m.next:
			if m.ports = m.guess.Ports(); m.guess == wire.GuessNone {
				m.ports = r.predict(now, m.addr)
			}
			r.introduce(m, out)
			m.next = now.Add(introduceRetry << m.tries)
			m.tries++
		case m.ip.IsValid() && m.fresh < freshMax && !over && m.guess == wire.GuessNone:
			if p := r.predict(now, m.addr); p.Base != 0 && p != m.ports {
				m.ports = p // not known when this node asked: the target opened the wrong way
				m.fresh++
				r.introduce(m, out)
			}
		}
		i++
	}
}

// introduce sends an INTRODUCE.
func (r *Reach) introduce(m *meeting, out *Output) {
	ask := wire.Introduce{Token: m.token, Target: m.target, Ports: m.ports}
	out.message(m.via, ask.Append)
}

func (r *Reach) failMeeting(i int, out *Output) {
	target := r.meetings[i].target
	r.meetings = slices.Delete(r.meetings, i, i+1)
	if !slices.ContainsFunc(r.meetings, func(m meeting) bool { return m.target == target }) {
		out.Failed = append(out.Failed, target)
	}
}

// forgetMeetings ends the introductions to a node that is met, and of that node.
func (r *Reach) forgetMeetings(node identity.NodeID) {
	r.meetings = slices.DeleteFunc(r.meetings, func(m meeting) bool { return m.target == node })
	r.openings = slices.DeleteFunc(r.openings, func(o opening) bool { return o.asker == node })
}

// MeetThroughOpen asks up to two peers that others reach, and that may know more nodes than most, for an introduction.
func (r *Reach) MeetThroughOpen(now mono.Time, target identity.NodeID, addr netip.AddrPort, out *Output) {
	start, asked := 0, 0
	if len(r.peers) > 0 {
		start = r.cfg.Rand.IntN(len(r.peers))
	}
	for i := range r.peers {
		p := r.peers[(start+i)%len(r.peers)]
		if asked < openAsked && p.open && p.node != target && sameSide(p.addr.Addr(), addr.Addr()) {
			asked++
			r.Meet(now, p.id, target, addr, out)
		}
	}
}

// Meets reports whether an introduction to a node is under way.
func (r *Reach) Meets(node identity.NodeID) bool {
	return slices.ContainsFunc(r.meetings, func(m meeting) bool { return m.target == node })
}

// predict says which port a datagram to an address will probably come from, if that is not the same for all.
func (r *Reach) predict(now mono.Time, to netip.AddrPort) wire.Ports {
	base, step, ok := r.observer.PredictFor(now, to)
	if !ok || step < -predictedMax || step > predictedMax {
		return wire.Ports{}
	}
	return wire.Ports{Base: base, Step: int8(step)}
}

// handleIntroduce makes an introduction: each side is told the address at which this node has a link with the other, which
// has proven that it receives there.
func (r *Reach) handleIntroduce(now mono.Time, p *peer, m wire.Introduce, out *Output) {
	answer := wire.Introduction{Token: m.Token, Status: wire.IntroductionUnknown}
	t := r.byNode[m.Target]
	switch {
	case t == nil || t == p || !r.shownTo(t, p).IsValid():
	case !r.again(p, t, m.Token) && !share(now, &p.limit().introduce, askerBurst, askerEvery, &r.all):
		answer.Status = wire.IntroductionRefused
		r.counts.Refused++
	default:
		answer.Status, answer.Addr = wire.IntroductionMade, r.shownTo(t, p)
		told := wire.Introduced{Token: m.Token, Asker: p.node, Addr: p.addr, Ports: m.Ports}
		out.message(t.id, told.Append)
		r.pass(passage{token: m.Token, asker: p.node, target: t.node, asks: 1})
	}
	out.message(p.id, answer.Append)
}

// again reports whether an introduction has been made before and is asked for again, as often as it may.
func (r *Reach) again(asker, target *peer, token wire.PunchToken) bool {
	for i := range r.passed {
		if o := &r.passed[i]; o.token == token && o.asker == asker.node && o.target == target.node {
			o.asks++
			return o.asks <= introduceTries
		}
	}
	return false
}

// pass remembers an introduction, in the place of the oldest.
func (r *Reach) pass(p passage) {
	if slices.ContainsFunc(r.passed, func(o passage) bool { return o.token == p.token && o.asker == p.asker && o.target == p.target }) {
		return
	}
	r.counts.Made++
	if len(r.passed) < passedMax {
		r.passed = append(r.passed, p)
		return
	}
	r.passed[r.passedAt] = p
	r.passedAt = (r.passedAt + 1) % passedMax
}

// handleReady passes on what a target says of its ports.
func (r *Reach) handleReady(p *peer, m wire.Ready, out *Output) {
	for i := range r.passed {
		o := &r.passed[i]
		if o.token != m.Token || o.target != p.node {
			continue
		}
		o.readies++
		if a := r.byNode[o.asker]; a != nil && o.readies <= tellsMax && r.shownTo(p, a).IsValid() {
			again := wire.Introduction{Token: m.Token, Status: wire.IntroductionMade, Addr: r.shownTo(p, a), Ports: m.Ports}
			out.message(a.id, again.Append)
		}
		return
	}
}

// handleIntroduced opens the way for a node that wants to meet this one. That the address is the asker's only the introducer
// says: it is sent a few datagrams of 9 bytes, and nothing else before its own dial has arrived.
func (r *Reach) handleIntroduced(now mono.Time, p *peer, m wire.Introduced, out *Output) {
	if m.Asker == r.cfg.Self || m.Asker == p.node || !r.understands(p, m.Addr) {
		return
	}
	if a := r.byNode[m.Asker]; a != nil && a.addr == m.Addr {
		return // elsewhere it may be, with a link that is dead and does not know it
	}
	if m.Ports.Guess() != wire.GuessNone {
		r.handleGuess(now, p, m, out)
		return
	}
	if !slices.ContainsFunc(r.openings, func(o opening) bool { return o.token == m.Token }) {
		if r.openingsTo(m.Addr.Addr()) >= openingsHere {
			return
		}
		if p.proxy && !p.limit().opens.take(now, introducerBurst, introducerEvery) ||
			!p.proxy && !share(now, &p.limit().opens, introducerBurst, introducerEvery, &r.openAll) {
			return // liars elsewhere do not keep proxies from their work
		}
		if len(r.openings) >= openingsMax {
			r.openings = slices.Delete(r.openings, 0, 1)
		}
		o := opening{token: m.Token, asker: m.Asker, addr: m.Addr, began: now, next: now}
		if m.Ports.Base != 0 && r.openPorts.take(now, portsBurst, portsEvery) {
			o.ports = m.Ports
		}
		r.openings = append(r.openings, o)
		r.counts.Opened++
	}
	i := slices.IndexFunc(r.openings, func(o opening) bool { return o.token == m.Token })
	if o := &r.openings[i]; m.Ports.Base != 0 && m.Ports != o.ports && o.fresh < freshMax && r.openPorts.take(now, portsBurst, portsEvery) {
		o.ports, o.began, o.rounds, o.next = m.Ports, now, 0, now
		o.fresh++
	}
	if ports := r.predict(now, m.Addr); ports.Base != 0 {
		ready := wire.Ready{Token: m.Token, Ports: ports}
		out.message(p.id, ready.Append)
	}
	r.punchDue(now, out)
}

// openingsTo is how many introductions are under way for askers at an address.
func (r *Reach) openingsTo(a netip.Addr) int {
	n := 0
	for i := range r.openings {
		if r.openings[i].addr.Addr() == a {
			n++
		}
	}
	return n
}

// punchDue sends the rounds of PUNCHes that are due.
func (r *Reach) punchDue(now mono.Time, out *Output) {
	for i := range r.openings {
		o := &r.openings[i]
		for now >= o.next {
			r.punch(o.addr, o.token, out)
			if o.rounds%3 == 0 {
				r.punchPorts(now, o.addr, o.ports, o.token, out)
			}
			if o.rounds++; o.rounds == len(punchTimes) {
				o.next = mono.Never
				break
			}
			o.next = o.began.Add(punchTimes[o.rounds])
		}
	}
	r.openings = slices.DeleteFunc(r.openings, func(o opening) bool { return now.Sub(o.began) > meetingMax })
}

// punch sends one datagram.
func (r *Reach) punch(to netip.AddrPort, token wire.PunchToken, out *Output) {
	r.counts.PunchesSent++
	out.Punches = append(out.Punches, Punch{To: to, Token: token})
}

// punchPorts sends one datagram to each port that a sequential mapping will probably get.
func (r *Reach) punchPorts(now mono.Time, addr netip.AddrPort, ports wire.Ports, token wire.PunchToken, out *Output) {
	if ports.Base == 0 || ports.Step == 0 || r.predict(now, addr).Base != 0 {
		return // where both sides' ports differ, each would get a mapping of its own here
	}
	for i := range predictedMax {
		port := int(ports.Base) + (i-predictedLow)*int(ports.Step)
		if port > 0 && port <= 0xffff && port != int(addr.Port()) {
			r.punch(netip.AddrPortFrom(addr.Addr(), uint16(port)), token, out)
		}
	}
}

// handleIntroduction learns where the target is seen: it is opening the way at this moment.
func (r *Reach) handleIntroduction(now mono.Time, p *peer, m wire.Introduction, out *Output) {
	i := slices.IndexFunc(r.meetings, func(o meeting) bool { return o.token == m.Token && o.via == p.id })
	if i < 0 {
		return
	}
	o := &r.meetings[i]
	made := m.Status == wire.IntroductionMade
	switch {
	case o.ip.IsValid() && (!made || o.ip != m.Addr.Addr() && (o.was.IsValid() || o.guess != wire.GuessNone)):
		return // one introduction is about one host, which may have moved a moment ago
	case !made || !sameSide(m.Addr.Addr(), p.addr.Addr()):
		r.failMeeting(i, out)
		return
	case o.ip != m.Addr.Addr():
		o.was, o.ip = o.ip, m.Addr.Addr() // it is asked for again all the same: the target may not have been told
		if o.guess == wire.GuessNone {
			out.Dials = append(out.Dials, Dial{o.target, m.Addr})
		}
	}
	if o.guess != wire.GuessNone {
		r.handleGuessAnswer(now, i, m, out)
		return
	}
	if m.Ports.Base != 0 && o.tells < tellsMax && !o.was.IsValid() {
		o.tells++
		r.punchPorts(now, m.Addr, m.Ports, m.Token, out)
	}
}

// HandlePunch learns from a PUNCH where the other side of an introduction is.
func (r *Reach) HandlePunch(now mono.Time, from netip.AddrPort, m wire.Punch, out *Output) {
	if m.Token == r.tested {
		r.observer.Probed(now, from)
		return
	}
	if r.handleWaitPunch(now, from, m, out) {
		return
	}
	if r.guessed.caught(now, from, m, out) {
		r.counts.PunchesCaught++
		return
	}
	for i := range r.meetings {
		if o := &r.meetings[i]; o.token == m.Token && (o.ip == from.Addr() || o.was == from.Addr()) {
			r.counts.PunchesCaught++
			o.next = mono.Never // the target is there
			if o.addrs++; o.addrs <= 2*len(punchTimes) {
				out.Dials = append(out.Dials, Dial{o.target, from})
			}
			return
		}
	}
	for i := range r.openings {
		if o := &r.openings[i]; o.token == m.Token && from.Addr() == o.addr.Addr() {
			r.counts.PunchesCaught++
			if o.addrs < addrsMax && from != o.addr {
				o.addrs++
				r.punch(from, m.Token, out)
			}
			return
		}
	}
}
