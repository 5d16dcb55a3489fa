// SPDX-License-Identifier: MIT

package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"testing"

	"streamer/internal/wire"
)

func refer() wire.Refer {
	return wire.Refer{Nonce: [wire.NonceBytes]byte{1, 2, 3, 4, 5, 6, 7, 8}, Addrs: []netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.1:8466"), netip.MustParseAddrPort("[2001:db8::1]:8466"), netip.MustParseAddrPort("192.0.2.3:1"),
	}}
}

func TestRefer(t *testing.T) {
	const want = "09" + "0102030405060708" + "03" + "04c00002012112" + "0620010db80000000000000000000000012112" + "04c00002030001"
	b := refer().Append(nil)
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if r, err := wire.ParseRefer(b, nil); err != nil || !bytes.Equal(r.Append(nil), b) {
		t.Errorf("read as %+v, error %v", r, err)
	}
	if kind, err := wire.ParseDatagramType(b); err != nil || kind != wire.DatagramRefer || kind.String() != "REFER" {
		t.Errorf("type %v, error %v", kind, err)
	}
	for n := range b {
		if _, err := wire.ParseRefer(b[:n], nil); !errors.Is(err, wire.ErrTruncated) {
			t.Errorf("cut to %d bytes: error %v", n, err)
		}
	}
	many := refer()
	many.Addrs = append(many.Addrs, many.Addrs...)
	if got := many.Append(nil); !bytes.Equal(got, b) {
		t.Errorf("six addresses are written as %x", got)
	}
	if wire.ReferBytesMax > wire.HelloBytes {
		t.Errorf("%d bytes for a HELLO of %d", wire.ReferBytesMax, wire.HelloBytes)
	}
}

func TestReferRefused(t *testing.T) {
	good := refer().Append(nil)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"a byte more", append(bytes.Clone(good), 0), wire.ErrTooLong},
		{"another type", change(0, 8), wire.ErrType},
		{"four addresses", change(9, 4), wire.ErrTooLong},
		{"no address", []byte{9, 1, 2, 3, 4, 5, 6, 7, 8, 0}, wire.ErrMalformed},
		{"a family that is not", change(10, 5), wire.ErrMalformed},
		{"a port of 0", []byte{9, 1, 2, 3, 4, 5, 6, 7, 8, 1, 4, 192, 0, 2, 1, 0, 0}, wire.ErrMalformed},
	} {
		if r, err := wire.ParseRefer(c.b, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, error %v, want %v", c.name, r, err, c.want)
		}
	}
}

func FuzzRefer(f *testing.F) {
	f.Add(refer().Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := wire.ParseRefer(b, nil)
		if err == nil && (!bytes.Equal(r.Append(nil), b) || len(r.Addrs) > wire.ReferMax || len(b) > wire.ReferBytesMax) {
			t.Errorf("%x is written again as %x", b, r.Append(nil))
		}
	})
}
