// SPDX-License-Identifier: MIT

package reach

import (
	"net/netip"
	"slices"
	"time"

	"streamer/internal/mono"
)

// Ports of new mappings. Which mapping was made when is known by when this node sent to a new address first; which port it
// got, by what that address says.
const (
	recentMax   = 128              // addresses contacted last
	recentAlive = 25 * time.Second // a mapping in use so lately is still the same
	samplesMax  = 8
	sampleFresh = 2 * time.Minute
	predictMax  = 20 * time.Second // after the last sample other flows have taken too many ports
	stepMax     = 16
	strideMax   = 16 // ports from one mapping to the next, those of other flows included
)

// A recentContact is an address that this node sent to.
type recentContact struct {
	at    mono.Time
	made  uint64 // order among all
	order uint32 // of its mapping
	fresh bool   // a new mapping was made for certain
	told  bool   // its port is known
}

// recent is a ring that grows to recentMax: most nodes meet few.
type recent struct {
	keys []uint64        // 0: none
	ring []recentContact // of the same length
	next int             // where the next one goes, once the ring has grown
	made uint64
}

// contactKey is an address in the ring.
func contactKey(a netip.AddrPort) uint64 { return mixed(hostHash(a.Addr()), uint64(a.Port())+1) | 1 }

func (r *recent) find(key uint64) *recentContact {
	for i, k := range r.keys {
		if k == key {
			return &r.ring[i]
		}
	}
	return nil
}

// add puts a contact in the place of the oldest.
func (r *recent) add(key uint64, c recentContact) {
	r.made++
	c.made = r.made
	if len(r.keys) < recentMax {
		r.keys, r.ring = append(r.keys, key), append(r.ring, c)
		return
	}
	r.keys[r.next], r.ring[r.next] = key, c
	r.next = (r.next + 1) % recentMax
}

// forget takes away what is known of a key.
func (r *recent) forget(key uint64) {
	if i := slices.Index(r.keys, key); i >= 0 {
		r.keys[i] = 0
	}
}

// A sample is the outside port that a mapping got.
type sample struct {
	made  uint64 // order of the contacts
	order uint32 // of the mappings
	port  uint16
	at    mono.Time
}

// contact notes that something is sent to an address, for which there may have been a mapping already.
func (o *Observer) contact(now mono.Time, f *family, to netip.AddrPort, known bool) {
	key := contactKey(to)
	if c := o.recent.find(key); c != nil {
		if now.Sub(c.at) <= recentAlive {
			c.at = now
			return
		}
		o.recent.forget(key)
	}
	if !known {
		f.order++
	}
	o.recent.add(key, recentContact{at: now, order: f.order, fresh: !known})
}

// sample takes the port that a peer saw; was is where it saw this node before.
func (o *Observer) sample(_ mono.Time, f *family, by, you, was netip.AddrPort) {
	c := o.recent.find(contactKey(by))
	if c == nil || c.told {
		return
	}
	c.told = true
	if !c.fresh && was == you {
		return // the mapping is an old one
	}
	s := sample{c.made, c.order, you.Port(), c.at}
	i, _ := slices.BinarySearchFunc(f.samples, s, func(a, b sample) int {
		if a.made < b.made {
			return -1
		}
		return 1
	})
	if len(f.samples) == samplesMax {
		if i == 0 {
			return
		}
		copy(f.samples, f.samples[1:i])
		f.samples[i-1] = s
		return
	}
	f.samples = slices.Insert(f.samples, i, s)
}

// pattern is what samples show.
type pattern struct {
	step   int
	random bool
	last   sample // the latest that others bear out
}

// pattern compares the ports of successive mappings. Most steps have to be small, so that one liar does not spoil it.
func (f *family) pattern(now mono.Time) (p pattern) {
	if !f.dependent() {
		return pattern{}
	}
	good, bad := 0, 0
	common, room := 0, stepMax // divisor of all strides; what one mapping took at most
	for i := 1; i < len(f.samples); i++ {
		a, b := f.samples[i-1], f.samples[i]
		if now.Sub(a.at) > sampleFresh {
			continue
		}
		stride, count := int(b.port)-int(a.port), int(b.order-a.order)
		if stride < 1 || stride > strideMax+2*count || count > 2*recentMax {
			bad++
			continue
		}
		good++
		common = divisor(common, stride)
		if count > 0 {
			room = min(room, stride/count)
		}
		p.last = b
	}
	if good < 4 {
		room = min(room, 2) // few strides have common divisors by chance
	}
	switch {
	case good >= 2 && good >= bad:
		p.step = max(1, min(room, common))
		for common%p.step != 0 {
			p.step--
		}
	case bad >= 2 && bad > good:
		p = pattern{random: true}
	default:
		p = pattern{}
	}
	return p
}

// divisor is the greatest common one.
func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// PredictFor is Predict for one address: when something was sent there lately, there is a mapping already, and its port is known
// by its place in the order.
func (o *Observer) PredictFor(now mono.Time, to netip.AddrPort) (base uint16, step int, ok bool) {
	c := o.recent.find(contactKey(plain(to)))
	if c == nil || !c.fresh || now.Sub(c.at) > recentAlive {
		return o.Predict(now)
	}
	p := o.main().pattern(now)
	port := int(p.last.port) + p.step*int(int32(c.order-p.last.order))
	if p.step == 0 || now.Sub(p.last.at) > predictMax || port < 1 || port > 0xffff {
		return 0, 0, false
	}
	return uint16(port), p.step, true
}

// Predict returns the outside port that the next new mapping will probably get, and how far the ones behind it are apart. It
// is about the last seconds: to predict, ask a host that was not asked lately, and predict when its answer has come.
func (o *Observer) Predict(now mono.Time) (base uint16, step int, ok bool) {
	f := o.main()
	p := f.pattern(now)
	if p.step == 0 || now.Sub(p.last.at) > predictMax {
		return 0, 0, false
	}
	port := int(p.last.port) + p.step*int(f.order-p.last.order+1)
	if port > 0xffff {
		return 0, 0, false
	}
	return uint16(port), p.step, true
}
