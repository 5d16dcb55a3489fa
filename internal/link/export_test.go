// SPDX-License-Identifier: MIT

package link

import (
	"io"
	"net/netip"
	"unsafe"

	"streamer/internal/mono"
	"streamer/internal/wire"
)

// What tests look at or set, since waiting for it would take weeks.

// SkipPackets makes the next packet of a link have this counter.
func (t *Table) SkipPackets(id ID, counter uint32) { t.find(id).out.counter = counter }

// CounterMax is where a link ends.
const CounterMax = counterMax

// Window is the replay window.
type Window struct{ w window }

// Fresh is window.fresh.
func (w *Window) Fresh(counter uint32) bool { return w.w.fresh(counter) }

// Mark is window.mark.
func (w *Window) Mark(counter uint32) bool { return w.w.mark(counter) }

// LinkBytes is the size of the struct of one link.
const LinkBytes = unsafe.Sizeof(link{})

// Jar makes and takes cookies.
type Jar struct{ j jar }

// CookiesUsedMax is how many cookies of one secret are remembered.
const CookiesUsedMax = cookiesUsedMax

// Bake is jar.bake.
func (j *Jar) Bake(now mono.Time, secrets io.Reader, from netip.AddrPort, nonce [wire.NonceBytes]byte) [wire.CookieBytes]byte {
	return j.j.bake(now, secrets, from, nonce)
}

// Take checks a cookie and uses it up.
func (j *Jar) Take(now mono.Time, secrets io.Reader, from netip.AddrPort, c [wire.CookieBytes]byte) bool {
	s := j.j.check(now, secrets, from, c)
	if s == nil {
		return false
	}
	if _, spent := s.spent(c); spent {
		return false
	}
	j.j.use(now, secrets, s, c, 1)
	return true
}
