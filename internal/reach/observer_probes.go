// SPDX-License-Identifier: MIT

package reach

import (
	"net/netip"
	"time"

	"streamer/internal/mono"
)

// Tests of the filter come in rounds: a few peers are asked, one after the other, to send something from an address that this
// node never contacted, and to have another node do so. docs/protocol/reach.md has the reasons for the numbers.
const (
	probeSoon    = time.Second      // after a start or a change
	probeEvery   = 2 * time.Second  // the first ones of a round
	probeSlow    = 20 * time.Second // more of them, and of a node that was proven public: so often any peer grants one
	probesWanted = 3                // in a round
	probesNeeded = 2                // for a verdict
	probesMax    = 8                // in a round, with those that showed nothing
	probeWait    = 3 * time.Second  // for what comes of one
	probePatient = 30 * time.Second // after the last, when no more can be asked
	provenFor    = 10 * time.Minute // without a stranger: then it is tested again
	youngFor     = 5 * time.Minute  // a NAT may remember an earlier run of this node so long
	restartEvery = 30 * time.Second // rounds because of what peers say
)

// round is the round that is under way, or the next.
type round struct {
	due      mono.Time // for the next test
	conclude mono.Time // Never: no test is under way
	asked    bool      // ever; then:
	began    mono.Time // the last round
	sent     mono.Time // the last test

	sends int
	tests [2]int  // of IPv4, of IPv6, that show something
	aside [2]int  // of them, those of which the tester's other port came in
	near  [2]bool // something came from another port of a host that is known
	last  test
}

// A test is the last one of a round.
type test struct {
	family  int
	tester  netip.AddrPort // zero: not known, and nobody says what came of it (Probed)
	aside   bool           // the tester's other port came in
	known   bool           // the other node came in, and is no stranger here
	spoiled bool           // it shows nothing
}

// An arrival is the last one that is no stranger's.
type arrival struct {
	from netip.AddrPort
	near bool // another port of a known host, not heard of before
}

func (r *round) deadline(now mono.Time) mono.Time {
	if r.due > now {
		return mono.Min(r.due, r.conclude)
	}
	return r.conclude
}

// restart begins a round in a moment, and at least so long after the last one began.
func (o *Observer) restart(now mono.Time, after time.Duration) {
	due := now.Add(probeSoon)
	if r := &o.round; r.asked {
		due = max(due, r.sent.Add(probeEvery), r.began.Add(after))
	}
	o.nextRound(due)
}

// nextRound ends the round that is under way.
func (o *Observer) nextRound(due mono.Time) {
	o.round = round{due: due, conclude: mono.Never, asked: o.round.asked, sent: o.round.sent, began: o.round.began}
	o.deadline = mono.Min(o.deadline, due)
}

// WantsProbe reports whether a test is due: a peer is to be asked for datagrams from where this node never sent anything.
func (o *Observer) WantsProbe(now mono.Time) bool {
	return now >= o.round.due && o.round.sends < probesMax
}

// ProbeSent is called when a peer has been asked for a test, by who will not call Probed: whatever comes from a known address
// in the next seconds may be the test's, which then shows nothing.
func (o *Observer) ProbeSent(now mono.Time) { o.probeSent(now, o.main(), netip.AddrPort{}) }

// ProbeSentTo is called when a peer at an address has been asked for a test; the test is of that family.
func (o *Observer) ProbeSentTo(now mono.Time, tester netip.AddrPort) {
	tester = plain(tester)
	o.probeSent(now, o.family(tester.Addr()), tester)
}

// TestPort is where the test by a peer at an address shall arrive, when that is not where the peer sees this node: the port that
// the router mapped, at the same address. Else it is 0.
func (o *Observer) TestPort(tester netip.AddrPort) uint16 {
	f := o.family(plain(tester).Addr())
	if !f.mappedWell() || f.outside == f.mapped && !f.dependent() {
		return 0
	}
	return f.mapped.Port()
}

func (o *Observer) probeSent(now mono.Time, f *family, tester netip.AddrPort) {
	r := &o.round
	if r.sends >= probesMax {
		return
	}
	if r.sends == 0 {
		r.began = now
	}
	r.sends++
	r.asked, r.sent = true, now
	r.last = test{family: o.index(f), tester: tester}
	r.tests[r.last.family]++
	o.awaitTest()
}

// awaitTest says when the next test, or the conclusion, is due.
func (o *Observer) awaitTest() {
	r := &o.round
	every := probeEvery
	if o.main().proven || r.sends >= probesWanted {
		every = probeSlow
	}
	if r.tests[o.index(o.main())] >= probesWanted || r.sends >= probesMax {
		r.due, r.conclude = mono.Never, r.sent.Add(probeWait)
	} else {
		r.due, r.conclude = r.sent.Add(every), r.sent.Add(probePatient)
	}
	o.deadline = mono.Min(o.deadline, mono.Min(r.due, r.conclude))
}

// Probed is called when a PUNCH of the last test came from an address, behind Arrived.
func (o *Observer) Probed(now mono.Time, from netip.AddrPort) {
	from = plain(from)
	if o.came.from == from && o.round.last.tester.IsValid() {
		o.shows(now, o.family(from.Addr()))
	}
}

// shows takes what came last, no stranger, for something of the test. When the tester's other port comes in, and the other node too but is
// no stranger, then the test shows nothing.
func (o *Observer) shows(now mono.Time, f *family) {
	r, t := &o.round, &o.round.last
	if r.sends == 0 || t.spoiled || t.family != o.index(f) || now.Sub(r.sent) > probeWait {
		return
	}
	vague, from := !t.tester.IsValid(), o.came.from
	switch {
	case from == t.tester:
	case from.Addr() != t.tester.Addr() && !(vague && o.came.near):
		t.known = true
	case !t.aside:
		t.aside = true
		r.aside[t.family]++
		r.near[t.family] = true
	}
	if t.known && (t.aside || vague) {
		t.spoiled = true
		r.tests[t.family]--
		if t.aside {
			r.aside[t.family]--
		}
		o.awaitTest()
	}
}

// succeed ends the tests of a family: a stranger's datagram has arrived.
func (o *Observer) succeed(now mono.Time, f *family) {
	if f != o.main() {
		o.round.tests[o.index(f)], o.round.aside[o.index(f)] = 0, 0
		o.round.last.spoiled = true
		return
	}
	due := now.Add(provenFor)
	if now.Sub(f.since) < youngFor {
		due = f.since.Add(youngFor)
	}
	o.nextRound(due)
}

// concludeRound draws the conclusion when the tests have had their time. A proof stands when the tester's other port came in:
// the tester may have had nobody who is a stranger here.
func (o *Observer) concludeRound(now mono.Time) {
	r := &o.round
	if now < r.conclude {
		return
	}
	for i, f := range []*family{&o.ip4, &o.ip6} {
		failed := r.tests[i]
		if f.proven {
			failed -= r.aside[i]
		}
		if failed < probesNeeded {
			continue
		}
		f.unprove()
		f.tested, f.filtering = true, AddressPortDependent
		if r.near[i] {
			f.filtering = AddressDependent
		}
	}
	if r.tests[o.index(o.main())] < probesNeeded && r.sends < probesMax {
		r.conclude = mono.Never // more testers may come
		return
	}
	o.nextRound(now.Add(provenFor))
}

// index is the family's number in arrays.
func (o *Observer) index(f *family) int {
	if f == &o.ip6 {
		return 1
	}
	return 0
}
