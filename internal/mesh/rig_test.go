// SPDX-License-Identifier: MIT

package mesh_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// A host is what a Station asks of its node: a clock that runs with the test, and upload that is only counted.
type host struct {
	whole, taken int64
	indebted     bool
	saturated    bool
	near         map[mesh.PeerID]bool
}

const wallStart = 1_800_000_000_000 // milliseconds since 1970 at mono time 0

func (h *host) RoundTrip(mesh.PeerID) (time.Duration, time.Duration) {
	return 20 * time.Millisecond, 2 * time.Millisecond
}
func (h *host) FreeUpload() (int64, int64)            { return h.whole - h.taken, h.whole }
func (h *host) SpareUpload() int64                    { return max(0, h.whole-h.taken) }
func (h *host) MayBurst(mono.Time) bool               { return true }
func (h *host) Indebted(mono.Time) bool               { return h.indebted }
func (h *host) Saturated() bool                       { return h.saturated }
func (h *host) Near(p mesh.PeerID) bool               { return h.near[p] }
func (h *host) TakeUpload(bps int64)                  { h.taken += bps }
func (h *host) Open(mesh.PeerID) bool                 { return true }
func (h *host) Gives() bool                           { return h.whole > 0 }
func (h *host) WallClock(now mono.Time) (int64, bool) { return wallStart + int64(now)/1_000_000, true }

// A rig is one station under test; the test plays all its peers.
type rig struct {
	t       testing.TB
	now     mono.Time
	s       *mesh.Station
	host    *host
	out     mesh.Output
	notices []string
	hostile []mesh.PeerID
	idle    []mesh.PeerID
	control map[mesh.PeerID][][]byte // messages to a peer
	audio   map[mesh.PeerID][]string // chunks and manifests to a peer
	bytes   map[mesh.PeerID]int      // of these
	alone   int                      // times that nobody was heard
}

func stationKey() identity.StationKey { return identity.NewStationKey([32]byte{1, 2, 3}) }

func nodeID(p mesh.PeerID) identity.NodeID { return identity.NodeID{byte(p), 0xee} }

func addrOf(p mesh.PeerID) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(p)}), 8466)
}

const selfPeer = 250 // nodeID of the station under test

func newRig(t testing.TB, role mesh.Role, uploadBPS int64, without ...mesh.Mechanisms) *rig {
	t.Helper()
	r := &rig{
		t: t, now: mono.Time(time.Second), host: &host{whole: uploadBPS}, control: map[mesh.PeerID][][]byte{},
		audio: map[mesh.PeerID][]string{}, bytes: map[mesh.PeerID]int{},
	}
	cfg := mesh.Config{
		Station: stationKey().ID(), Role: role, Channel: 1, Self: nodeID(selfPeer), Rand: rand.New(rand.NewPCG(1, 2)), Host: r.host,
	}
	if role == mesh.Source {
		cfg.Key = stationKey()
	}
	for _, m := range without {
		cfg.Without |= m
	}
	r.s = mesh.New(r.now, cfg)
	return r
}

// collect reads what the last call wants done.
func (r *rig) collect() {
	for _, n := range r.out.Notices {
		what := map[uint8]string{0: "audio", 1: "header", 2: "event"}[n.Chunk]
		switch n.Kind {
		case mesh.NoticeEpoch:
			what = fmt.Sprint("epoch ", n.Epoch)
		case mesh.NoticeChunk:
			if r.s.Role() != mesh.Source && !bytes.Equal(n.Data, chunkData(n.Epoch, n.Seq)) {
				r.t.Errorf("chunk %d of epoch %d has the data %.40q", n.Seq, n.Epoch, n.Data)
			}
			what = fmt.Sprint(what, " ", n.Seq)
		case mesh.NoticeGap:
			what = fmt.Sprintf("gap %d+%d", n.Seq, n.Count)
		case mesh.NoticeEnded:
			what = "ended"
		}
		r.notices = append(r.notices, what)
	}
	for _, c := range r.out.Controls {
		r.control[c.Peer] = append(r.control[c.Peer], bytes.Clone(r.out.Message(c)))
	}
	for _, s := range r.out.Sends {
		what := fmt.Sprint("chunk ", s.Seq)
		if s.Manifest {
			what = fmt.Sprint("manifest ", s.Seq)
		}
		for _, p := range r.out.Peers(s) {
			r.audio[p] = append(r.audio[p], what)
			r.bytes[p] += len(s.Data)
		}
	}
	r.hostile = append(r.hostile, r.out.Hostile...)
	r.idle = append(r.idle, r.out.Idle...)
	if r.out.Alone {
		r.alone++
	}
	r.out.Reset()
}

// from has a peer send a message.
func (r *rig) from(p mesh.PeerID, message []byte) {
	r.t.Helper()
	if _, err := r.s.HandleMessage(r.now, p, message[0], message[1:], &r.out); err != nil {
		r.t.Fatalf("%x: %v", message, err)
	}
	r.collect()
}

// run lets time pass.
func (r *rig) run(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for range 100_000 {
		at := r.s.Deadline()
		if at > end {
			r.now = end
			return
		}
		r.now = max(r.now, at)
		r.s.Advance(r.now, &r.out)
		r.collect()
	}
	r.t.Fatal("the station wants to be called again and again")
}

// meet has a peer say that it carries the station, as one that was dialled says.
func (r *rig) meet(p mesh.PeerID) {
	r.s.HandleOpen(r.now, p, nodeID(p), addrOf(p), wire.Open{Channel: byte(p), Station: stationKey().ID()}, &r.out)
	r.collect()
}

// feedFrom has a peer become the parent of everything: it is one hop from the source and agrees to all that it is asked for,
// from the given chunk on.
func (r *rig) feedFrom(p mesh.PeerID, epoch, from uint32) {
	r.t.Helper()
	r.s.PeerUp(r.now, p, nodeID(p), addrOf(p), &r.out)
	r.meet(p)
	w, ok := r.lastWant(p)
	if !ok || w.Classes != 0xffff || !w.Manifests {
		r.t.Fatalf("asked for %+v", w)
	}
	path := wire.Path{Channel: byte(p)}
	for i := range path.Parts {
		path.Parts[i].Hops = 1
		path.Parts[i].Add(wire.PathID{99})
	}
	r.from(p, path.Append(nil))
	r.from(p, wire.Grant{Channel: byte(p), Token: w.Token, Manifests: true, Classes: w.Classes, Epoch: epoch, From: from}.Append(nil))
}

// lastWant is the last WANT that a peer got.
func (r *rig) lastWant(p mesh.PeerID) (w wire.Want, ok bool) {
	for _, b := range slices.Backward(r.control[p]) {
		if b[0] == wire.TypeWant {
			w, _, err := wire.ParseWant(b[1:])
			return w, err == nil
		}
	}
	return w, false
}

// lastHave is the last HAVE that a peer got.
func (r *rig) lastHave(p mesh.PeerID) (m wire.Have, ok bool) {
	for _, b := range slices.Backward(r.control[p]) {
		if b[0] == wire.TypeHave {
			m, _, err := wire.ParseHave(b[1:])
			return m, err == nil
		}
	}
	return m, false
}

// want has a peer ask for a subscription and returns the answer.
func (r *rig) want(p mesh.PeerID, w wire.Want) wire.Grant {
	r.t.Helper()
	r.from(p, w.Append(nil))
	for _, b := range slices.Backward(r.control[p]) {
		if b[0] == wire.TypeGrant {
			g, _, err := wire.ParseGrant(b[1:], nil)
			if err != nil {
				r.t.Fatal(err)
			}
			return g
		}
	}
	r.t.Fatal("no GRANT")
	return wire.Grant{}
}

func chunkData(epoch, seq uint32) []byte { return fmt.Appendf(nil, "chunk %d of %d", seq, epoch) }

func chunkMessage(epoch, seq uint32) []byte {
	return wire.Chunk{EpochLow: uint8(epoch), Seq: seq, Data: chunkData(epoch, seq)}.Append(nil)
}

const chunkSpan = 60 * time.Millisecond

// manifest is that of chunks first to first+n-1, signed now. Chunk 0 is the header.
func (r *rig) manifest(epoch, first uint32, n int, alter ...func(*wire.Manifest)) []byte {
	wall, _ := r.host.WallClock(r.now)
	m := wire.Manifest{
		Epoch: epoch, First: first, N: n, Media: time.Duration(first) * chunkSpan, Duration: time.Duration(n) * chunkSpan,
		Wall: wall, Headers: 1, Event: wire.NoEvent, RateKBPS: 128,
	}
	for i := range n {
		m.Hashes[i] = wire.HashChunk(chunkData(epoch, first+uint32(i)))
	}
	if first == 0 && n > 0 {
		m.Kinds[0] = 1
	}
	for _, f := range alter {
		f(&m)
	}
	return wire.AppendManifestMessage(nil, 1, m.Sign(nil, stationKey()))
}

// event says that a chunk is one.
func event(seq uint32) func(*wire.Manifest) {
	return func(m *wire.Manifest) {
		if m.Event = seq; seq >= m.First && seq < m.First+uint32(m.N) {
			m.Kinds[seq-m.First] = 2
		}
	}
}

func end(m *wire.Manifest) { m.End = true }

// after says that an epoch follows another one.
func after(epoch, until uint32) func(*wire.Manifest) {
	return func(m *wire.Manifest) { m.Previous, m.PrevEpoch, m.PrevEnd = true, epoch, until }
}

// chunks has a peer send chunks.
func (r *rig) chunks(p mesh.PeerID, epoch uint32, seqs ...uint32) {
	r.t.Helper()
	for _, seq := range seqs {
		r.from(p, chunkMessage(epoch, seq))
	}
}

// expect compares what the application was told since the last time.
func (r *rig) expect(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.notices, want) {
		r.t.Errorf("the application was told %q, want %q", r.notices, want)
	}
	r.notices = nil
}

func (r *rig) expectHostile(want ...mesh.PeerID) {
	r.t.Helper()
	if !slices.Equal(r.hostile, want) {
		r.t.Errorf("hostile: %v, want %v", r.hostile, want)
	}
}
