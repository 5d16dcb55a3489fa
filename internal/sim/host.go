// SPDX-License-Identifier: MIT

package sim

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"streamer/internal/codec"
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
)

// sourceIndex is the host of the broadcaster.
const sourceIndex = 0

// A core is what runs on a host: a *node.Node, or something that pretends to be one.
type core interface {
	HandleDatagram(now mono.Time, from netip.AddrPort, b []byte, out *node.Output)
	HandleCommand(now mono.Time, c node.Command, out *node.Output)
	HandleDeadline(now mono.Time, out *node.Output)
	Deadline() mono.Time
	Status(now mono.Time) node.Status
	AppendFeeds(dst []node.Feed) (feeds []node.Feed, hops int)
}

// A host is a machine with an address and a line, and the node that runs on it.
type host struct {
	node    core // nil while the host is down
	group   *Group
	class   int32          // index of the group in Scenario.Groups; -1: none
	addr    netip.AddrPort // zero: it has no IPv4
	addr6   netip.AddrPort // only where boxes stand between hosts; zero: no IPv6
	realm   int32
	line    int32 // host whose line it is on
	id      identity.NodeID
	index   int32
	lives   uint16        // incarnations so far
	island  uint8         // hosts of different islands do not reach each other
	delay   time.Duration // one way to the middle of the internet
	skew    time.Duration // what its clock is wrong by
	up      pipe
	down    pipe
	loss    lossState
	timer   mono.Time // of the earliest timer event that is queued; mono.Never: none
	sent    meter
	sent10  meter
	wireOut uint64 // bytes of IP packets
	wireIn  uint64
	ear     ear
	refill  *refill
	liar    *liar // nil: honest
	extras  extras
	leaving bool  // it said good-bye, and goes on for node.LeaveTime: its listener has gone
	spins   uint8 // calls of HandleDeadline at one time
	loops   uint8 // samples in a row that found the host in a loop
	told    checkSet
}

// address is where the host itself thinks it is.
func (h *host) address() netip.AddrPort {
	if h.addr.IsValid() {
		return h.addr
	}
	return h.addr6
}

func (h *host) isUp() bool { return h.node != nil }

// stays reports whether the host is up and has not said good-bye.
func (h *host) stays() bool { return h.node != nil && !h.leaving }

// start gives a host a node: a new key, a new generator, the same address.
func (w *World) start(h *host) {
	life := uint64(h.index)<<16 | uint64(h.lives)
	h.lives++
	cfg := node.Config{
		Key:       identity.NewNodeKey(seed32(newSource(w.seed, streamKey, life))),
		Rand:      newSource(w.seed, streamRand, life),
		Secrets:   secrets{newSource(w.seed, streamSecrets, life)},
		UploadBPS: h.group.UploadBPS,
		Gossip:    w.gossips(life),
		Shelf:     w.shelf,
		Agreed:    w.agreed,
		Reach:     node.ReachConfig{Carries: true},
		Without:   w.scenario.Without,
	}
	h.id = cfg.Key.Public()
	h.timer = mono.Never
	if h.group.Hostile >= HostileMap {
		m := newImpostor(w.now, cfg, h.group.Hostile)
		m.witness, h.node = w.witnessed, m
	} else {
		h.node = node.New(w.now, cfg)
	}
	w.byID[h.id] = h.index
	w.command(h, w.wallClock(h))
	if w.nat != nil {
		w.locate(h)
	}
	if w.scenario.Gossip {
		w.meet(h)
	}
}

// stop takes the node away, and with it everything it knew.
func (w *World) stop(h *host) {
	if h.node == nil {
		return
	}
	if !h.leaving {
		w.settle(h)
	}
	delete(w.byID, h.id)
	h.node, h.leaving = nil, false
	h.timer = mono.Never
	h.refill = nil
	h.extras.open = nil
}

func (w *World) wallClock(h *host) node.WallClockCommand {
	at := time.Duration(w.now) + h.skew
	return node.WallClockCommand{UnixMilli: wallOrigin + at.Milliseconds()}
}

// join starts a host and tunes it in.
func (w *World) join(h *host) {
	w.start(h)
	h.ear.join(w.now)
	w.command(h, node.TuneCommand{Station: w.station.ID(), Role: h.group.Role, Peers: w.hints(h)})
	w.plan(h, false)
}

// hints returns the addresses that a host starts from.
func (w *World) hints(h *host) []netip.AddrPort {
	source := []netip.AddrPort{w.hosts[sourceIndex].addr}
	switch h.group.Hints {
	case HintNobody:
		return nil
	case HintSource:
	case HintPrevious:
		return []netip.AddrPort{w.hosts[h.index-1].addr}
	case HintRandom:
		const wanted, tries = 3, 32
		var known []netip.AddrPort
		for range tries {
			other := &w.hosts[1+w.setup.IntN(w.scenario.Nodes)]
			if other.isUp() && other != h && len(known) < wanted {
				known = append(known, other.addr)
			}
		}
		if len(known) > 0 {
			return known
		}
	}
	return source
}

// onAir puts the station's next epoch on the air.
func (w *World) onAir(h *host) {
	w.epoch++
	w.command(h, node.BeginCommand{Key: w.station, Epoch: w.epoch, BitrateBPS: w.scenario.BitrateBPS})
	w.announce(h)
	w.published.begin(w.epoch)
	w.encoder = newEncoder(rand.New(newSource(w.seed, streamAudio, uint64(w.epoch))), w.scenario.BitrateBPS, w.now)
	for range headerChunks {
		w.publish(h, w.encoder.header())
	}
	w.encodeNext(h)
}

// encodeNext makes the encoder's next chunk and waits until it is complete.
func (w *World) encodeNext(h *host) {
	chunk, at := w.encoder.next()
	w.pending = chunk
	w.events.push(event{at: max(at, w.now), kind: eventPublish, host: h.index, arg: int32(h.lives)})
}

// encoded hands the waiting chunk to the source's node.
func (w *World) encoded(h *host) {
	w.publish(h, w.pending)
	w.encodeNext(h)
}

func (w *World) publish(h *host, c codec.Chunk) {
	w.published.add(c, w.now)
	w.command(h, node.PublishCommand{
		Station: w.station.ID(), Kind: uint8(c.Kind), Start: c.Start, Duration: c.Duration, Data: c.Data,
	})
}
