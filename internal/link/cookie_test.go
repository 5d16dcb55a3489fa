// SPDX-License-Identifier: MIT

package link_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"streamer/internal/link"
	"streamer/internal/wire"
)

func TestCookieBinding(t *testing.T) {
	secrets := rand.NewChaCha8([32]byte{1})
	var j link.Jar
	home, nonce := netip.MustParseAddrPort("192.0.2.1:1000"), [wire.NonceBytes]byte{1}
	cookie := j.Bake(1, secrets, home, nonce)
	for _, from := range []string{"192.0.2.1:1001", "192.0.2.2:1000", "[2001:db8::1]:1000", "[::c000:201]:1000"} {
		if j.Take(1, secrets, netip.MustParseAddrPort(from), cookie) {
			t.Errorf("a cookie of %v is taken from %s", home, from)
		}
	}
	for i := range cookie {
		forged := cookie
		forged[i] ^= 1
		if j.Take(1, secrets, home, forged) {
			t.Errorf("a cookie altered at byte %d is taken", i)
		}
	}
	if other := j.Bake(1, secrets, home, [wire.NonceBytes]byte{2}); other == cookie {
		t.Error("two nonces give one cookie")
	}
	if !j.Take(1, secrets, home, cookie) {
		t.Error("a good cookie is refused")
	}
	if j.Take(1, secrets, home, cookie) {
		t.Error("a cookie is taken twice")
	}
	if (&link.Jar{}).Take(1, rand.NewChaCha8([32]byte{2}), home, cookie) {
		t.Error("a cookie is taken by another node")
	}
}

// Whatever is taken, memory is bounded: the secret is replaced early, and no cookie is taken twice nevertheless.
func TestCookiesUsed(t *testing.T) {
	secrets := rand.NewChaCha8([32]byte{1})
	var j link.Jar
	home := netip.MustParseAddrPort("192.0.2.1:1000")
	bake := func(i int) [wire.CookieBytes]byte {
		var nonce [wire.NonceBytes]byte
		binary.BigEndian.PutUint64(nonce[:], uint64(i))
		return j.Bake(1, secrets, home, nonce)
	}
	first, unused := bake(0), bake(1)
	if !j.Take(1, secrets, home, first) {
		t.Fatal("a good cookie is refused")
	}
	for i := range 2 * link.CookiesUsedMax {
		if !j.Take(1, secrets, home, bake(2+i)) {
			t.Fatalf("cookie %d is refused", i)
		}
		if j.Take(1, secrets, home, first) {
			t.Fatalf("after %d cookies the first is taken again", i)
		}
	}
	if j.Take(1, secrets, home, unused) {
		t.Error("the first secret is still good: its memory was not let go")
	}
}
