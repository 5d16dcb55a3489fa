// SPDX-License-Identifier: MIT

package reach

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"streamer/internal/mono"
)

// contacts are the addresses that this node exchanged anything with in the last 10 to 20 minutes: RFC 4787 REQ-5 recommends
// that a NAT forgets after 5. They lie in two Bloom filters, so none is ever evicted: when there are too many, known addresses
// stay known and some strangers pass for known ones, which costs a proof and never makes a false one. 2,048 addresses in
// each leave 2 strangers of 100 unseen. A filter begins as a list of its keys: most nodes have few.
type contacts struct {
	young, old keySet
	begun      bool      // something was added
	began      mono.Time // of the young one
}

const (
	contactWords = 512 // 4 KiB
	contactBits  = 15  // that number a bit
	contactTries = 4   // bits for one key
	contactsKept = 10 * time.Minute
	contactsFew  = 128                               // keys in a list: 1 KiB
	contactMask  = 1<<(contactBits*contactTries) - 1 // what a filter takes of a key
)

// A keySet is a list of a few keys, and then a filter.
type keySet struct {
	few    []uint64 // ascending
	filter *[contactWords]uint64
}

// has reports whether a key is there.
func (k *keySet) has(key uint64) bool {
	if k.filter == nil {
		_, there := slices.BinarySearch(k.few, key&contactMask)
		return there
	}
	for range contactTries {
		i := key & (1<<contactBits - 1)
		if k.filter[i/64]&(1<<(i%64)) == 0 {
			return false
		}
		key >>= contactBits
	}
	return true
}

// put adds a key, and reports whether it was there.
func (k *keySet) put(key uint64) bool {
	if k.filter == nil {
		at, there := slices.BinarySearch(k.few, key&contactMask)
		if there {
			return true
		}
		if len(k.few) < contactsFew {
			k.few = slices.Insert(k.few, at, key&contactMask)
			return false
		}
		k.filter = new([contactWords]uint64)
		for _, few := range k.few {
			k.set(few)
		}
		k.few = nil
	}
	return k.set(key)
}

// set puts a key into the filter.
func (k *keySet) set(key uint64) (there bool) {
	there = true
	for range contactTries {
		i := key & (1<<contactBits - 1)
		key >>= contactBits
		word, bit := &k.filter[i/64], uint64(1)<<(i%64)
		there = there && *word&bit != 0
		*word |= bit
	}
	return there
}

// clear forgets all keys.
func (k *keySet) clear() {
	k.few = k.few[:0]
	if k.filter != nil {
		clear(k.filter[:])
	}
}

// add adds an address, and reports whether its host, and itself, were there.
func (c *contacts) add(now mono.Time, a netip.AddrPort) (host, exact bool) {
	c.turn(now)
	h := hostHash(a.Addr())
	host = c.put(h)
	exact = c.put(mixed(h, uint64(a.Port())+1))
	return host, exact
}

// turn makes the young filter the old one when it is 10 minutes old.
func (c *contacts) turn(now mono.Time) {
	if !c.begun {
		c.begun, c.began = true, now
		return
	}
	age := now.Sub(c.began)
	if age < contactsKept {
		return
	}
	c.young, c.old = c.old, c.young
	c.young.clear()
	if age >= 2*contactsKept {
		c.old.clear()
	}
	c.began = now
}

// put adds a key to the young filter, and reports whether it was in one of them.
func (c *contacts) put(key uint64) bool {
	young := c.young.put(key)
	return young || c.old.has(key)
}

// hostHash and mixed need no key: who makes addresses meet hides strangers, and gains nothing.
func hostHash(a netip.Addr) uint64 {
	raw := a.As16()
	return mixed(mixed(0x2545f4914f6cdd1d, binary.BigEndian.Uint64(raw[:8])), binary.BigEndian.Uint64(raw[8:]))
}

func mixed(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hi ^ lo
}

// plain writes IPv4 as IPv4.
func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// global reports whether an address means the same host everywhere.
func global(a netip.AddrPort) bool {
	ip := a.Addr()
	if a.Port() == 0 || ip.Zone() != "" || !ip.IsGlobalUnicast() || ip.IsPrivate() || shared(ip) {
		return false // IsGlobalUnicast: valid, not unspecified, loopback, link-local, multicast, broadcast
	}
	if ip.Is4() {
		first := ip.As4()[0]
		return first != 0 && first < 240
	}
	return true
}

// shared reports whether an address is of the space that providers use inside: RFC 6598, 100.64.0.0/10.
func shared(ip netip.Addr) bool {
	if !ip.Is4() {
		return false
	}
	raw := ip.As4()
	return raw[0] == 100 && raw[1]&0xc0 == 64
}

// laboratory reports whether an address is set aside for documents and tests (RFC 2544, 3849, 5737): nobody on the internet
// has one, and in a laboratory each stands for a network of its own.
func laboratory(ip netip.Addr) bool {
	if !ip.Is4() {
		raw := ip.As16()
		return binary.BigEndian.Uint32(raw[:]) == 0x20010db8
	}
	raw := ip.As4()
	switch net := binary.BigEndian.Uint32(raw[:]) >> 8; net {
	case 0xc00002, 0xc63364, 0xcb0071:
		return true
	default:
		return net>>9 == 0xc61200>>9 // 198.18.0.0/15
	}
}

// neighbours reports whether two addresses may be of one LAN.
func neighbours(a, b netip.Addr) bool {
	if a.Is4() != b.Is4() {
		return false
	}
	x, y := a.As16(), b.As16()
	if a.Is4() {
		return !laboratory(a) && [15]byte(x[:15]) == [15]byte(y[:15])
	}
	return [8]byte(x[:8]) == [8]byte(y[:8])
}

// voterOf is the network that has one vote: IPv4 /16, IPv6 /32.
func voterOf(ip netip.Addr) netip.Addr {
	size := 16
	if ip.Is6() {
		size = 32
	}
	if laboratory(ip) {
		return ip
	}
	p, _ := ip.Prefix(size) // no error: the size fits
	return p.Addr()
}
