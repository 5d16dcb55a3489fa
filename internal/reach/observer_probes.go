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
	probeEvery   = 2 * time.Second  // in a round
	probesWanted = 3                // in a round
	probesNeeded = 2                // for a verdict
	probesMax    = 8                // in a round, with those that showed nothing
	probeWait    = 3 * time.Second  // after the last
	probePatient = 15 * time.Second // after the last, when no more can be asked
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

	sends   int
	tests   [2]int  // of IPv4, of IPv6, that may show something
	near    [2]bool // something came from another port of a host that is known
	last    int     // the family of the last one
	spoiled bool    // the last one shows nothing
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

// ProbeSent is called when a peer has been asked for a test, by IPv4 if that is in use.
func (o *Observer) ProbeSent(now mono.Time) { o.probeSent(now, o.main()) }

// ProbeSentTo is ProbeSent for who knows whom it asked: the test is of that family.
func (o *Observer) ProbeSentTo(now mono.Time, tester netip.AddrPort) {
	o.probeSent(now, o.family(tester.Addr().Unmap()))
}

func (o *Observer) probeSent(now mono.Time, f *family) {
	r := &o.round
	if r.sends >= probesMax {
		return
	}
	if r.sends == 0 {
		r.began = now
	}
	r.sends++
	r.asked, r.sent = true, now
	r.last, r.spoiled = o.index(f), false
	r.tests[r.last]++
	o.awaitTest()
}

// awaitTest says when the next test, or the conclusion, is due.
func (o *Observer) awaitTest() {
	r := &o.round
	if r.tests[o.index(o.main())] >= probesWanted || r.sends >= probesMax {
		r.due, r.conclude = mono.Never, r.sent.Add(probeWait)
	} else {
		r.due, r.conclude = r.sent.Add(probeEvery), r.sent.Add(probePatient)
	}
	o.deadline = mono.Min(o.deadline, mono.Min(r.due, r.conclude))
}

// spoil is called when a datagram came from an address that this node contacted: if it was the test's, then that shows nothing.
func (o *Observer) spoil(now mono.Time, f *family) {
	r := &o.round
	if r.sends == 0 || r.spoiled || r.tests[r.last] == 0 || r.last != o.index(f) || now.Sub(r.sent) > probeEvery {
		return
	}
	r.spoiled = true
	r.tests[r.last]--
	o.awaitTest()
}

// succeed ends the tests of a family: a stranger's datagram has arrived.
func (o *Observer) succeed(now mono.Time, f *family) {
	if f != o.main() {
		o.round.tests[o.index(f)] = 0
		return
	}
	due := now.Add(provenFor)
	if now.Sub(f.since) < youngFor {
		due = f.since.Add(youngFor)
	}
	o.nextRound(due)
}

// concludeRound draws the conclusion when the tests have had their time.
func (o *Observer) concludeRound(now mono.Time) {
	r := &o.round
	if now < r.conclude {
		return
	}
	for i, f := range []*family{&o.ip4, &o.ip6} {
		if r.tests[i] < probesNeeded {
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
