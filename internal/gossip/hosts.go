// SPDX-License-Identifier: MIT

package gossip

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// The tables. Two of equal size, as in Bitcoin's address manager (Heilman et al., Eclipse attacks on Bitcoin's peer-to-peer
// network, 2015): untried holds hosts that others told of, tried holds hosts that answered. Who tells of hosts reaches a part
// of the untried buckets that the secret key and its network choose; hosts of one network reach a part of the tried ones.
const (
	bucketHosts   = 8  // places in a bucket
	untriedShare  = 8  // one source group reaches one in so many untried buckets
	strangerShare = 2  // all strangers together reach one in so many
	triedShare    = 16 // one group's hosts reach one in so many tried buckets
	privateShare  = 2  // the same for private addresses
	untriedTries  = 2  // tries without an answer, then an untried host leaves
	triedTries    = 4  // tries in a row, then a tried one leaves
	testAfter     = 10 * 60
	staleAfter    = 30 * 60 // an untried host gives its place to another after this time
	youngSeconds  = 30 * 60 // in its first half hour a node's tried table is not settled:
	youngChance   = 1       // one in so many hosts that answer takes the place of one that answers too
	silenceRetry  = 4
	rollAfter     = 5 * 60 // an untried host that answered gives its place up after this time, and is not asked again before
	pickBuckets   = 12     // random buckets looked into before all places are looked at
	silenceOurs   = 10     // seconds without any answer: then the silence of a host is not its own
	retryUntried  = 30
	retryTried1st = 4
	retryTried2nd = 60
	retryTried3rd = 16 * 60 // so that the tries of one host are spread over more than a quarter of an hour
)

type hostFlags uint8

const (
	hostProven hostFlags = 1 << iota // answered this run of the node
	hostAsked                        // an ask is under way
	hostSought                       // came to us because it is tuned to what we looked for: no random sample
	hostAsker                        // it asked us: a random choice of all there are
	hostKept                         // was tried in an earlier run
	hostEmpty                        // said that it had more, and had nothing
	hostTest                         // the ask under way decides whether it keeps its place
)

// A host is one place in the tables, 96 bytes.
type host struct {
	tuned  [wire.TunedMax]wire.StationTag // as it last said; 0 free
	node   identity.NodeID                // zero: not known
	addr   [16]byte                       // IPv4 as IPv6
	port   uint16                         // 0: the place is free
	flags  hostFlags
	fails  uint8  // tries in a row without an answer
	seen   uint32 // second of the last answer; of an unproven host, when it was told of
	next   uint32 // second before which it is not asked
	teller uint32 // hash of who told of it
}

func (h *host) addrPort() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(h.addr).Unmap(), h.port)
}

func (h *host) wire() wire.Host { return wire.Host{Addr: h.addrPort(), Node: h.node} }

// proven reports whether the host answered within the last seconds, and did not fail since.
func (h *host) proven(sec, within uint32) bool {
	return h.port != 0 && h.flags&hostProven != 0 && h.fails == 0 && sec-h.seen <= within
}

func (h *host) isTuned(tag wire.StationTag) bool {
	for _, t := range h.tuned {
		if t == tag {
			return true
		}
	}
	return false
}

// hosts are the two tables.
type hosts struct {
	key     sipKey
	buckets uint64 // of each table
	slots   []host // untried buckets, then tried ones
	prints  prints // of each place

	fresh    int // that answered within tellSeconds, as count found it
	marked   int // of them, those that came by chance: not because they are tuned to what is looked for
	unproven int // that never were asked
}

func newHosts(secret [32]byte, most int) hosts {
	buckets := max(1, most/(2*bucketHosts))
	return hosts{
		key:     newSipKey(secret[:16]),
		buckets: uint64(buckets),
		slots:   make([]host, 2*buckets*bucketHosts),
		prints:  make(prints, 2*buckets*bucketHosts/lanes),
	}
}

// half is the number of places in each table.
func (t *hosts) half() int { return len(t.slots) / 2 }

func (t *hosts) isTried(i int) bool { return i >= t.half() }

// words are an address and a port as numbers to hash.
func words(a netip.AddrPort) (hi, lo, port uint64) {
	raw := a.Addr().As16()
	return binary.BigEndian.Uint64(raw[:]), binary.BigEndian.Uint64(raw[8:]), uint64(a.Port())
}

// hash is of an address and port.
func (t *hosts) hash(a netip.AddrPort) uint64 {
	hi, lo, port := words(a)
	return t.key.words(1, hi, lo, port)
}

// prints are 16 bits of the hash of each place, 0 where it is free, four in a word: a host is looked for several times with
// each message, and this way it takes a quarter of a microsecond.
type prints []uint64

const (
	lanes    = 4
	laneBits = 16
	laneOnes = 0x0001_0001_0001_0001
	laneTops = laneOnes << (laneBits - 1)
)

func printOf(hash uint64) uint64 { return max(1, hash&(1<<laneBits-1)) }

func (p prints) set(i int, print uint64) {
	shift := i % lanes * laneBits
	p[i/lanes] = p[i/lanes]&^((1<<laneBits-1)<<shift) | print<<shift
}

func (p prints) at(i int) uint64 { return p[i/lanes] >> (i % lanes * laneBits) & (1<<laneBits - 1) }

// tellerPrint names who told of a host, 0 nobody.
func (t *hosts) tellerPrint(a netip.AddrPort) uint32 {
	if !a.IsValid() {
		return 0
	}
	return max(1, uint32(t.hash(a)>>laneBits))
}

// find returns the place of a host, -1 when it has none.
func (t *hosts) find(a netip.AddrPort) int {
	print := printOf(t.hash(a))
	four := print * laneOnes
	for w, p := range t.prints {
		// A lane of zeros borrows from its top bit, which was clear (Mycroft's test; a lane above one may be a false alarm).
		if p ^= four; (p-laneOnes)&^p&laneTops == 0 {
			continue
		}
		for i := w * lanes; i < (w+1)*lanes; i++ {
			if t.prints.at(i) == print && t.slots[i].addrPort() == a {
				return i
			}
		}
	}
	return -1
}

// untriedBucket returns the index of the first place of a bucket.
func (t *hosts) untriedBucket(a netip.AddrPort, source group) int {
	hi, lo, port := words(a)
	to := uint64(groupOf(a.Addr()))
	if isPrivate(a.Addr()) {
		to = t.key.words(2, hi, lo, port)
	}
	share := uint64(untriedShare)
	if source == strangerGroup {
		share = strangerShare
	}
	one := t.key.words(3, uint64(source), to) % max(1, t.buckets/share)
	return int(t.key.words(4, uint64(source), one)%t.buckets) * bucketHosts
}

func (t *hosts) triedBucket(a netip.AddrPort) int {
	hi, lo, port := words(a)
	share := uint64(triedShare)
	if isPrivate(a.Addr()) {
		share = privateShare
	}
	one := t.key.words(5, hi, lo, port) % max(1, t.buckets/share)
	return t.half() + int(t.key.words(6, uint64(groupOf(a.Addr())), one)%t.buckets)*bucketHosts
}

// add puts a host into the untried table unless it is known or there is no place. It returns its place, -1 for none.
func (t *hosts) add(sec uint32, h wire.Host, how telling) int {
	if i := t.find(h.Addr); i >= 0 {
		if k := &t.slots[i]; k.flags&hostProven == 0 && k.node.IsZero() {
			k.node = h.Node
		}
		return i
	}
	return t.insert(sec, h, how)
}

// insert is add for a host that is not known.
func (t *hosts) insert(sec uint32, h wire.Host, how telling) int {
	if !hostAddr(h.Addr) || isPrivate(h.Addr.Addr()) && !how.private {
		return -1
	}
	bucket := t.untriedBucket(h.Addr, how.group)
	i := t.free(bucket)
	if i < 0 {
		if i = bucket + int(t.hash(h.Addr)>>32%bucketHosts); !t.mayReplace(sec, i, how) {
			return -1
		}
	}
	if old := &t.slots[i]; old.port == 0 || old.flags&hostProven != 0 || old.fails > 0 {
		t.unproven++
	}
	t.slots[i] = host{node: h.Node, addr: h.Addr.Addr().As16(), port: h.Addr.Port(), seen: sec, teller: t.tellerPrint(how.teller)}
	if how.group == strangerGroup {
		t.slots[i].flags = hostAsker
	}
	t.prints.set(i, printOf(t.hash(h.Addr)))
	return i
}

// mayReplace reports whether the untried host at i gives its place to a newcomer: when it is silent, or waited long without
// being asked, or answered and is known well enough, so that the table passes through the whole network. Strangers replace
// each other at once.
func (t *hosts) mayReplace(sec uint32, i int, how telling) bool {
	k := &t.slots[i]
	if k.flags&hostAsked != 0 {
		return false
	}
	if k.flags&hostProven != 0 {
		return k.fails > 0 || sec-k.seen >= rollAfter
	}
	return k.fails > 0 || sec-k.seen > staleAfter || how.group == strangerGroup
}

// free returns a free place of a bucket, -1 for none.
func (t *hosts) free(bucket int) int {
	for i := bucket; i < bucket+bucketHosts; i++ {
		if t.slots[i].port == 0 {
			return i
		}
	}
	return -1
}

func (t *hosts) remove(i int) {
	t.slots[i] = host{}
	t.prints.set(i, 0)
}

// answered notes an answer of the host at i, which moves to the tried table if that has a place for it. It returns its
// place now, and the place of a host that must be tested first, or -1. With replace it takes the place of one that is well.
func (t *hosts) answered(sec uint32, i int, node identity.NodeID, replace bool) (at, test int) {
	h := &t.slots[i]
	if h.flags&hostProven == 0 {
		t.fresh++
		t.unproven = max(0, t.unproven-1)
	}
	h.node, h.seen, h.fails, h.next = node, sec, 0, sec+1
	h.flags = h.flags&(hostSought|hostAsker|hostKept|hostEmpty) | hostProven
	if t.isTried(i) {
		return i, -1
	}
	h.next = sec + rollAfter
	bucket := t.triedBucket(h.addrPort())
	to := t.free(bucket)
	if to < 0 {
		to = t.weakest(sec, bucket, int(t.hash(h.addrPort())>>32%bucketHosts))
		old := &t.slots[to]
		switch {
		case old.flags&hostAsked != 0:
			return i, -1
		case old.doubtful(sec):
			return i, to
		case !replace || old.flags&hostKept != 0:
			return i, -1
		}
	}
	h.next = sec + 1
	// Whoever was there goes to the untried table, to the place that is free now.
	t.slots[to], t.slots[i] = t.slots[i], t.slots[to]
	t.swapPrints(to, i)
	return to, -1
}

func (t *hosts) swapPrints(i, k int) {
	p, q := t.prints.at(i), t.prints.at(k)
	t.prints.set(i, q)
	t.prints.set(k, p)
}

// doubtful reports whether a tried host must be asked before it keeps its place.
func (h *host) doubtful(sec uint32) bool {
	return h.fails > 0 || sec-h.seen > testAfter || h.flags&hostProven == 0
}

// weakest returns the place of a tried bucket for which a newcomer may compete: one that is doubtful, or else the one that the
// hash of the newcomer chooses.
func (t *hosts) weakest(sec uint32, bucket, chosen int) int {
	for k := range bucketHosts {
		i := bucket + (chosen+k)%bucketHosts
		if t.slots[i].doubtful(sec) && t.slots[i].flags&hostAsked == 0 {
			return i
		}
	}
	return bucket + chosen
}

// failed notes that the host at i did not answer.
func (t *hosts) failed(sec uint32, i int) {
	h := &t.slots[i]
	test := h.flags&hostTest != 0
	if h.flags&hostProven == 0 && h.fails == 0 {
		t.unproven = max(0, t.unproven-1)
	}
	h.flags &^= hostAsked | hostTest
	h.fails++
	tries := uint8(untriedTries)
	h.next = sec + retryUntried
	if t.isTried(i) {
		tries = triedTries
		switch h.fails {
		case 1:
			h.next = sec + retryTried1st
		case 2:
			h.next = sec + retryTried2nd
		default:
			h.next = sec + retryTried3rd
		}
	}
	if test || h.fails >= tries {
		t.remove(i)
	}
}

// pick returns a random host of one table that may be asked now, -1 for none: of a random bucket, so that a crowded network
// is asked no more often than others.
func (t *hosts) pick(r *rand.Rand, sec uint32, tried bool) int {
	base := 0
	if tried {
		base = t.half()
	}
	for range pickBuckets {
		bucket := base + r.IntN(int(t.buckets))*bucketHosts
		best, n := -1, 0
		for i := bucket; i < bucket+bucketHosts; i++ {
			if t.ready(i, sec) {
				if n++; r.IntN(n) == 0 {
					best = i
				}
			}
		}
		if best >= 0 {
			return best
		}
	}
	start := r.IntN(t.half())
	for k := range t.half() {
		if i := base + (start+k)%t.half(); t.ready(i, sec) {
			return i
		}
	}
	return -1
}

func (t *hosts) ready(i int, sec uint32) bool {
	h := &t.slots[i]
	return h.port != 0 && h.flags&hostAsked == 0 && h.next <= sec
}

// count counts again who answers and who waits to be asked.
func (t *hosts) count(sec uint32) {
	t.fresh, t.marked, t.unproven = 0, 0, 0
	for i := range t.slots {
		h := &t.slots[i]
		if h.proven(sec, tellSeconds) {
			t.fresh++
			if h.flags&hostSought == 0 {
				t.marked++
			}
		}
		if h.port != 0 && h.flags&hostProven == 0 && h.fails == 0 {
			t.unproven++
		}
	}
}
