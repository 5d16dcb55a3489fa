// SPDX-License-Identifier: MIT

package reach

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// Birthday guessing, for two of whom one has a mapping for each peer at random ports and the other a filter for each port: docs/protocol/reach.md,
// section 4. One side opens many ports towards the other; that one sends to many at random until one is hit.
const (
	guessPorts  = 256  // that one side opens
	guessProbes = 1024 // that the other sends; of 64,512 ports, 256 are then hit with 98 % probability
	guessOpened = 32   // ports at once
	guessPace   = 50 * time.Millisecond
	guessEvery  = 20 * time.Millisecond // guessSent PUNCHes: 100 a second
	guessSent   = 2
	guessMax    = guessProbes / guessSent * guessEvery // 10.24 s
	guessSlack  = 2 * time.Second                      // the sides do not begin and hear at the same moment

	// After a hit each side says so with a few PUNCHes, and has so long until the link is up.
	hitEvery = 150 * time.Millisecond
	hitTimes = 8
	hitMax   = 5 * time.Second

	guessAfter = 2500 * time.Millisecond // without a link after an introduction was asked for

	guessBurst  = 6 // guesses of either kind, one at a time
	guessRefill = 10 * time.Minute
	guessPause  = 2 * time.Second  // from the end of one to the next
	guessAgain  = 10 * time.Minute // with the same node, whether a port was hit or not
	guessHere   = 2                // with nodes at one address, in guessAgain
	guessTrust  = 30 * time.Second // a target believes peers that it has had a link with for so long, and its proxies
	guessesPast = 16
	extrasMax   = 16 // links over further ports
	portLow     = 1024
	portCount   = 1<<16 - portLow
)

// A guess is one under way.
type guess struct {
	token  wire.PunchToken
	node   identity.NodeID
	at     netip.AddrPort // of the other, where an introducer sees it
	part   wire.Guess     // this node's
	asked  bool           // this node asked for the introduction
	next   mono.Time      // Never: nothing more is sent
	end    mono.Time
	sent   int    // ports opened, or PUNCHes
	port   uint32 // next one to be tried, less portLow
	stride uint32
	hit    netip.AddrPort // where the other was heard; zero: nowhere yet
	told   int            // PUNCHes there
}

// guesses are the one under way and what is left of others.
type guesses struct {
	now   *guess
	need  bool // this node has no other choice
	left  limit
	pause mono.Time // until then no other begins
	past  []pastGuess
	kept  []netip.AddrPort // where this node has links over further ports, at most extrasMax
}

// A pastGuess is remembered for guessAgain.
type pastGuess struct {
	node  identity.NodeID
	ip    netip.Addr
	until mono.Time
}

// SetNeed says whether this node has no choice but to guess: nobody brings it a station, or one peer alone.
func (r *Reach) SetNeed(need bool) { r.guessed.need = need }

// Guesses reports whether a port at an address is being guessed, or was lately. What is sent to and comes from there says nothing
// of this node's own NAT: it has opened its filter for ports that it did not note.
func (r *Reach) Guesses(a netip.Addr) bool {
	g := &r.guessed
	return g.now != nil && g.now.at.Addr() == a || slices.ContainsFunc(g.past, func(p pastGuess) bool { return p.ip == a })
}

// part returns what this node can do towards an address: send when all see it at the same port and its filter looks at ports,
// open when that is not known of it or known not to be so.
func (r *Reach) guessPart(now mono.Time, to netip.Addr) wire.Guess {
	s := r.observer.StandingOf(now, to.Is6())
	switch {
	case to.Is6() || local(to) || s.Verdict == VerdictPublic:
		return wire.GuessNone // IPv6 ports are not translated
	case s.Mapping == EndpointIndependent:
		return wire.GuessSends
	case s.Step != 0 && !s.Random:
		return wire.GuessNone // they are predicted
	}
	return wire.GuessOpens
}

// mayGuess reports whether one more guess may begin.
func (r *Reach) mayGuess(now mono.Time, node identity.NodeID, ip netip.Addr, part wire.Guess) bool {
	g := &r.guessed
	g.past = slices.DeleteFunc(g.past, func(p pastGuess) bool { return now >= p.until })
	here := 0
	for _, p := range g.past {
		if p.node == node {
			return false
		}
		if p.ip == ip {
			here++
		}
	}
	g.left.fill(now, guessBurst, guessRefill)
	return g.now == nil && now >= g.pause && g.left.left > 0 && here < guessHere && len(g.past) < guessesPast &&
		part != wire.GuessNone && (part != wire.GuessOpens || len(g.kept) < extrasMax)
}

// patience is when a meeting has probably come to nothing: those that are permitted take a round trip or two, and one more for each
// INTRODUCE that is lost.
func (m *meeting) patience() mono.Time { return m.end.Add(guessAfter - meetingMax) }

// askToGuess begins an introduction anew that came to nothing though it was made, for guessing, if there is no other choice.
func (r *Reach) askToGuess(now mono.Time, m *meeting) bool {
	if m.guess != wire.GuessNone || !m.ip.IsValid() || m.addrs > 0 || !r.guessed.need || r.byID[m.via] == nil || r.guessAsked() {
		return false
	}
	part := r.guessPart(now, m.ip)
	if !r.mayGuess(now, m.target, m.ip, part) {
		return false
	}
	*m = meeting{token: r.token(), target: m.target, addr: m.addr, via: m.via, next: now, end: now.Add(meetingMax), guess: part}
	return true
}

// guessAsked reports whether somebody has been asked to guess already.
func (r *Reach) guessAsked() bool {
	return slices.ContainsFunc(r.meetings, func(m meeting) bool { return m.guess != wire.GuessNone })
}

// handleGuess takes part in guessing, or says that it does not. The address is one that only the introducer has seen.
func (r *Reach) handleGuess(now mono.Time, p *peer, m wire.Introduced, out *Output) {
	part := r.guessPart(now, m.Addr.Addr())
	if g := r.guessed.now; g != nil && g.token == m.Token {
		part = g.part // the READY may be lost
	} else if asked := m.Ports.Guess(); part+asked != wire.GuessSends+wire.GuessOpens || !p.proxy && now.Sub(p.up) < guessTrust ||
		!r.mayGuess(now, m.Asker, m.Addr.Addr(), part) || r.guessAsked() {
		part = wire.GuessNot
	} else {
		r.beginGuess(now, guess{token: m.Token, node: m.Asker, at: m.Addr, part: part})
	}
	ready := wire.Ready{Token: m.Token, Ports: part.Ports()}
	out.message(p.id, ready.Append)
	r.guessDue(now, out)
}

// handleGuessAnswer begins when the target takes part, too.
func (r *Reach) handleGuessAnswer(now mono.Time, i int, m wire.Introduction, out *Output) {
	o := &r.meetings[i]
	switch answer := m.Ports.Guess(); {
	case answer == wire.GuessNone || r.guessed.now != nil:
		return // the target's word comes later
	case answer+o.guess != wire.GuessSends+wire.GuessOpens || !r.mayGuess(now, o.target, o.ip, o.guess):
		out.Hopeless = append(out.Hopeless, o.target)
		r.failMeeting(i, out)
		return
	}
	r.beginGuess(now, guess{token: o.token, node: o.target, at: m.Addr, part: o.guess, asked: true})
	o.next, o.end = mono.Never, r.guessed.now.end.Add(hitMax)
	r.guessDue(now, out)
}

func (r *Reach) beginGuess(now mono.Time, g guess) {
	r.counts.Guesses++
	r.guessed.left.take(now, guessBurst, guessRefill)
	g.next, g.end = now, now.Add(guessMax+guessSlack)
	if g.part == wire.GuessSends {
		g.next = now.Add(guessPorts / guessOpened * guessPace) // the other side's ports are open then
		g.port, g.stride = r.cfg.Rand.Uint32N(portCount), 1
		for g.stride%2 == 0 || g.stride%3 == 0 || g.stride%7 == 0 || g.stride == 1 { // 64,512 is 2^10 * 3^2 * 7: no port comes twice
			g.stride = r.cfg.Rand.Uint32N(portCount)
		}
	}
	r.guessed.now = &g
}

// guessDue sends what is due, and ends what took too long.
func (r *Reach) guessDue(now mono.Time, out *Output) {
	g := r.guessed.now
	for g != nil && now >= g.next && now < g.end {
		switch {
		case g.hit.IsValid():
			r.punch(g.hit, g.token, out)
			g.next = g.next.Add(hitEvery)
			if g.told++; g.told >= hitTimes {
				g.next = mono.Never
			}
		case g.part == wire.GuessOpens:
			n := min(guessOpened, guessPorts-g.sent)
			out.Extras = append(out.Extras, Extra{To: g.at, Token: g.token, Ports: n})
			r.counts.PunchesSent += uint64(n)
			g.next = g.next.Add(guessPace)
			if g.sent += n; g.sent >= guessPorts {
				g.next = mono.Never
			}
		default:
			for range guessSent {
				r.punch(netip.AddrPortFrom(g.at.Addr(), uint16(portLow+g.port)), g.token, out)
				g.port = (g.port + g.stride) % portCount
			}
			g.next = g.next.Add(guessEvery)
			if g.sent += guessSent; g.sent >= guessProbes {
				g.next = mono.Never
			}
		}
	}
	if g != nil && now >= g.end {
		r.endGuess(now, false, out)
	}
}

// caught looks whether a PUNCH is a hit. Both sides then know where the other is; the asker dials.
func (s *guesses) caught(now mono.Time, from netip.AddrPort, m wire.Punch, out *Output) bool {
	g := s.now
	if g == nil || g.token != m.Token || from.Addr() != g.at.Addr() || g.part == wire.GuessOpens && from != g.at {
		return false
	}
	if !g.hit.IsValid() {
		g.hit, g.next, g.end = from, now, now.Add(hitMax)
		if g.part == wire.GuessOpens { // it may have come to the node's own port
			out.Extras = append(out.Extras, Extra{To: g.at, Keep: true})
		}
	}
	if g.asked && from == g.hit {
		out.Dials = append(out.Dials, Dial{g.node, from})
	}
	return true
}

// guessMet ends a guess when the node is met, however that came about.
func (r *Reach) guessMet(now mono.Time, p *peer, out *Output) {
	if g := r.guessed.now; g != nil && g.node == p.node {
		r.endGuess(now, g.hit.IsValid() && g.hit == p.addr, out)
	}
}

// endGuess ends the guess that is under way. The port by which the other was met is kept as long as the link lives.
func (r *Reach) endGuess(now mono.Time, met bool, out *Output) {
	s, g := &r.guessed, r.guessed.now
	s.now, s.pause = nil, now.Add(guessPause)
	s.past = append(s.past, pastGuess{g.node, g.at.Addr(), now.Add(guessAgain)})
	if met {
		r.counts.GuessesHit++
	}
	switch {
	case g.part != wire.GuessOpens:
	case met:
		s.kept = append(s.kept, g.at)
	default:
		out.Extras = append(out.Extras, Extra{To: g.at})
	}
	if i := slices.IndexFunc(r.meetings, func(m meeting) bool { return m.token == g.token }); i >= 0 && !met {
		r.failMeeting(i, out)
	}
}

// closeExtras closes the ports of links that are gone.
func (r *Reach) closeExtras(out *Output) {
	s := &r.guessed
	s.kept = slices.DeleteFunc(s.kept, func(a netip.AddrPort) bool {
		gone := !slices.ContainsFunc(r.peers, func(p *peer) bool { return p.addr == a })
		if gone {
			out.Extras = append(out.Extras, Extra{To: a})
		}
		return gone
	})
}

func (s *guesses) deadline() mono.Time {
	if s.now == nil {
		return mono.Never
	}
	return mono.Min(s.now.next, s.now.end)
}
