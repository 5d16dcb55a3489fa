// SPDX-License-Identifier: MIT

package sim

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/wire"
)

// A check is a property that every run must have.
type check uint8

// The checks.
const (
	checkContract check = iota // the calls of package node keep their promises
	checkAltered               // what a listener gets is what was published
	checkOrder                 // notices come in stream order
	checkForward               // an honest node forwards only what was published
	checkCap                   // nobody sends more than --upload allows
	checkCounters              // counters add up
	checkLoop                  // no loop lasts
	checkSilence               // silence ends when faults end
	checkExpelled              // nobody is expelled where all are honest
	checkOnTime                // chunks come on time: no failure, only told when somebody asks (Options.Explain)
)

var checkNames = [...]string{"contract", "altered", "order", "forward", "cap", "counters", "loop", "silence", "expelled", "on time"}

func (c check) String() string { return checkNames[c] }

// checkSet is the checks that a host has failed: each is told once for each host.
type checkSet uint16

// Limits of the checks.
const (
	failuresMax   = 20                     // that a run tells
	capBurstBytes = 8 << 10                // above the cap in any second: one burst of repairs; and in any ten
	capControlBPS = 32_000                 // a node that gives nothing still speaks to its parents
	capSearchBPS  = 48_000                 // and over ten seconds, when it looks for some
	loopSamples   = 5                      // in a row: longer than a second
	samplePeriod  = 250 * time.Millisecond //
	recovery      = 10 * time.Second       // after the last fault, everybody plays again
	silence       = 2 * time.Second        // behind the play delay: less is lateness, and counted as such
	startGrace    = 3 * time.Second        // a newcomer's time to start before its chunks are due
)

// A Failure is a property that a run did not have.
type Failure struct {
	Check  string
	Node   int // 0 is the source
	At     time.Duration
	Detail string
	State  string // what the node says of itself
}

func (f Failure) String() string {
	return fmt.Sprintf("%v node %d: %s: %s\n    %s", f.At, f.Node, f.Check, f.Detail, f.State)
}

// fail records a failure, once for each host and check.
func (w *World) fail(h *host, c check, format string, args ...any) {
	if h.told&(1<<c) != 0 || len(w.failures) >= failuresMax {
		return
	}
	h.told |= 1 << c
	w.failures = append(w.failures, w.failure(h, c, fmt.Sprintf(format, args...)))
}

// explain records why a run is worse than it might be, once for each host, when somebody wants to know.
func (w *World) explain(h *host, format string, args ...any) {
	if w.options.Explain == 0 || h.told&(1<<checkOnTime) != 0 || len(w.explained) >= w.options.Explain {
		return
	}
	h.told |= 1 << checkOnTime
	w.explained = append(w.explained, w.failure(h, checkOnTime, fmt.Sprintf(format, args...)))
}

func (w *World) failure(h *host, c check, detail string) Failure {
	return Failure{Check: c.String(), Node: int(h.index), At: time.Duration(w.now), Detail: detail, State: w.describe(h)}
}

// describe says in one line what a host's node knows of itself.
func (w *World) describe(h *host) string {
	if h.node == nil {
		return "down"
	}
	var b strings.Builder
	s := h.node.Status(w.now)
	fmt.Fprintf(&b, "%s %v up since %v, %d links, deadline in %v", h.group.Name, h.address(), time.Duration(h.ear.joined), s.Peers, w.untilDeadline(h))
	for i := range s.Tuned {
		t := &s.Tuned[i]
		fmt.Fprintf(&b, "; epoch %d hops %d buffer %v lag %v partners %d chunks %+v", t.Epoch, t.Hops, t.Buffer, t.Lag, t.Partners, t.Chunks)
		for _, p := range t.Parents {
			fmt.Fprintf(&b, " parent %s/%04x", w.nameOf(p), p.Classes)
		}
		for _, c := range t.Children {
			fmt.Fprintf(&b, " child %s/%04x", w.nameOf(c), c.Classes)
		}
	}
	c := &s.Counters
	fmt.Fprintf(&b, "; ear at %d/%d, %d heard, %d gaps; upload %d of %d bit/s, %d late, %d peers expelled; %+v",
		h.ear.epoch, h.ear.next, h.ear.heard, h.ear.gaps, s.Upload.UsedBPS, s.Upload.BudgetBPS, c.Late, c.Hostile, c.Stations)
	return b.String()
}

func (w *World) untilDeadline(h *host) string {
	if at := h.node.Deadline(); at != mono.Never {
		return at.Sub(w.now).String()
	}
	return "never"
}

func (w *World) nameOf(p node.PeerStatus) string {
	if i, ok := w.byID[p.NodeID]; ok {
		return fmt.Sprint(i)
	}
	return "gone"
}

// checkFanout sees that an honest node pushes only chunks and manifests that the source published.
func (w *World) checkFanout(h *host, payload []byte, tickets int) {
	for rest := payload; len(rest) > 0; {
		switch rest[0] {
		case wire.TypeChunk:
			m, err := wire.ParseChunk(rest[1:])
			if err != nil {
				w.fail(h, checkForward, "a chunk that does not parse: %v", err)
				return
			}
			w.count.forwarded += uint64(tickets)
			index := w.published.findLow(m.EpochLow, m.Seq)
			if index < 0 || !bytes.Equal(w.published.chunks[index].Data, m.Data) {
				w.fail(h, checkForward, "chunk %d/%d is forwarded and is not what was published", m.EpochLow, m.Seq)
			}
			if h.group.UploadBPS == 0 {
				w.fail(h, checkCap, "chunk %d/%d is forwarded with --upload 0", m.EpochLow, m.Seq)
			}
			return
		case wire.TypeManifest:
			var ok bool
			if rest, ok = w.checkManifest(h, rest); !ok {
				return
			}
		default:
			return // control: nothing of the stream
		}
	}
}

// witnessed looks at what an honest node sent to an impostor, which asks for everything: audio that waited for the upload of a node
// with a cap is sealed inside the node, and nobody else can tell what it was and from whom.
func (w *World) witnessed(from identity.NodeID, message []byte) {
	if i, up := w.byID[from]; up && w.hosts[i].liar == nil {
		w.count.witnessed++
		w.checkFanout(&w.hosts[i], message, 1)
	}
}

// checkManifest sees that a forwarded manifest names published chunks; it returns what follows.
func (w *World) checkManifest(h *host, b []byte) (rest []byte, ok bool) {
	if len(b) < 2 {
		w.fail(h, checkForward, "a manifest of %d bytes", len(b))
		return nil, false
	}
	var m wire.Manifest
	size, rest, err := wire.ParseManifest(b[2:], &m)
	if err != nil {
		w.fail(h, checkForward, "a manifest that does not parse: %v", err)
		return nil, false
	}
	raw := b[2 : 2+size]
	key := uint64(m.Epoch)<<32 | uint64(m.First)
	if bytes.Equal(w.manifests[key], raw) {
		return rest, true // looked at before
	}
	if ok, w.scratch = wire.VerifyManifest(w.station.ID(), raw, w.scratch); !ok {
		w.fail(h, checkForward, "manifest %d/%d is forwarded and the station did not sign it", m.Epoch, m.First)
		return rest, true
	}
	for i := range m.N {
		seq := m.First + uint32(i)
		index := w.published.find(m.Epoch, seq)
		if index < 0 || wire.HashChunk(w.published.chunks[index].Data) != m.Hashes[i] {
			w.fail(h, checkForward, "a manifest names chunk %d/%d otherwise than it was published", m.Epoch, seq)
			return rest, true
		}
	}
	w.manifests[key] = bytes.Clone(raw)
	return rest, true
}

// checkSent sees that a host keeps to its cap.
func (w *World) checkSent(h *host, lastSecond, lastTen uint64) {
	limit := h.group.UploadBPS
	if limit < 0 || h.liar != nil {
		return
	}
	limit = max(limit, capControlBPS)
	if allowed := uint64(limit)/8 + capBurstBytes; lastSecond > allowed {
		w.fail(h, checkCap, "%d bytes sent within a second, --upload %d allows %d", lastSecond, h.group.UploadBPS, allowed)
	}
	if allowed := 10*uint64(max(limit, capSearchBPS))/8 + capBurstBytes; lastTen > allowed {
		w.fail(h, checkCap, "%d bytes sent within ten seconds, --upload %d allows %d", lastTen, h.group.UploadBPS, allowed)
	}
}

// checkPackets sees that each packet that was sent was delivered, lost, dropped, or is on its way.
func (w *World) checkPackets() {
	if w.nat != nil {
		return // boxes answer for what they refuse
	}
	if ended := w.count.delivered + w.count.lost + w.count.dropped; w.net.taken != ended+w.net.flying() {
		w.fail(&w.hosts[sourceIndex], checkCounters, "%d packets sent; %d delivered, lost or dropped, %d on their way", w.net.taken, ended,
			w.net.flying())
	}
}

// checkCounted compares what a node counts with what its driver saw.
func (w *World) checkCounted(h *host) {
	if h.liar != nil || h.leaving {
		return
	}
	s := h.node.Status(w.now)
	if s.Counters.Hostile > 0 && !w.liars {
		w.fail(h, checkExpelled, "%d peers expelled, and nobody is hostile", s.Counters.Hostile)
	}
	if l := &s.Counters.Links; bytesOf(&l.In) != l.BytesIn || bytesOf(&l.Out) != l.BytesOut {
		w.fail(h, checkCounters, "kinds of messages add up to %d bytes in and %d out, node counts %d and %d", bytesOf(&l.In), bytesOf(&l.Out),
			l.BytesIn, l.BytesOut)
	}
	if c := &s.Counters.Stations; c.Polluted+c.Forged > 0 && !w.liars {
		w.fail(h, checkForward, "%d chunks and %d manifests came that the station did not sign, and nobody is hostile", c.Polluted, c.Forged)
	}
	for i := range s.Tuned {
		t := &s.Tuned[i]
		if t.Role == node.RoleSource {
			continue
		}
		if t.Bytes.WireIn > h.wireIn || t.Bytes.WireOut > h.wireOut {
			w.fail(h, checkCounters, "node counts %d bytes in and %d out, its line %d and %d",
				t.Bytes.WireIn, t.Bytes.WireOut, h.wireIn, h.wireOut)
		}
		if t.Bytes.PayloadIn < h.ear.bytes || t.Chunks.Received < h.ear.heard {
			w.fail(h, checkCounters, "node counts %d chunks of %d bytes, its listener got %d of %d",
				t.Chunks.Received, t.Bytes.PayloadIn, h.ear.heard, h.ear.bytes)
		}
		if t.Chunks.Repaired > t.Chunks.Received || t.Chunks.Missing != h.ear.gaps {
			w.fail(h, checkCounters, "node counts %+v, notices named %d missing", t.Chunks, h.ear.gaps)
		}
	}
}

// bytesOf adds up the bytes of all kinds.
func bytesOf(kinds *[wire.Kinds]link.Tally) uint64 {
	sum := uint64(0)
	for i := range kinds {
		sum += kinds[i].Bytes
	}
	return sum
}
