// SPDX-License-Identifier: MIT

package portmap_test

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"streamer/internal/portmap"
)

// unhex reads hexadecimal digits, whatever the blanks between them.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	mapped4   = "00000000000000000000ffff" // before an IPv4 address
	nonceHex  = "0102030405060708090a0b0c"
	v6Machine = "20010db8000700000000000000000020"
)

var nonce = portmap.PCPNonce{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}

// Requests byte for byte, by RFC 6887 §7.1, §11.1 and §14.1, RFC 6886 §3.2 and §3.3.
func TestRequests(t *testing.T) {
	four, six := netip.MustParseAddr("192.168.1.20"), netip.MustParseAddr("2001:db8:7::20")
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"PCP ANNOUNCE", portmap.AppendPCPAnnounce(nil, four), "02 00 0000 00000000" + mapped4 + "c0a80114"},
		{
			"PCP MAP", portmap.AppendPCPMap(nil, portmap.PCPMap{Client: four, Lifetime: 7200, Nonce: nonce, Internal: 8466}),
			"02 01 0000 00001c20" + mapped4 + "c0a80114" + nonceHex + "11 000000 2112 0000" + mapped4 + "00000000",
		},
		{
			"PCP MAP of IPv6", portmap.AppendPCPMap(nil, portmap.PCPMap{Client: six, Lifetime: 1, Nonce: nonce, Internal: 8466}),
			"02 01 0000 00000001" + v6Machine + nonceHex + "11 000000 2112 0000" + strings.Repeat("00", 16),
		},
		{
			"PCP MAP again", portmap.AppendPCPMap(nil, portmap.PCPMap{
				Client: four, Nonce: nonce, Internal: 1, External: netip.MustParseAddrPort("44.128.0.7:9999"),
			}),
			"02 01 0000 00000000" + mapped4 + "c0a80114" + nonceHex + "11 000000 0001 270f" + mapped4 + "2c800007",
		},
		{"NAT-PMP address", portmap.AppendPMPExternal(nil), "00 00"},
		{"NAT-PMP map", portmap.AppendPMPMap(nil, 8466, 9999, 7200), "00 01 0000 2112 270f 00001c20"},
	} {
		if want := unhex(t, c.want); string(c.got) != string(want) {
			t.Errorf("%s:\n got %x\nwant %x", c.name, c.got, want)
		}
	}
}

const (
	pcpMapAnswer      = "02 81 00 00 00000e10 00000010 000000000000000000000000" + nonceHex + "11 000000 2112 270f" + mapped4 + "2c800007"
	pcpAnnounceAnswer = "02 80 00 00 00000000 00000010 000000000000000000000000"
	pmpAddressAnswer  = "00 80 0000 00000010 2c800007"
	pmpMapAnswer      = "00 81 0000 00000010 2112 270f 00000e10"
)

func TestPCPResponses(t *testing.T) {
	answer := portmap.PCPResponse{
		Map: true, Lifetime: 3600, Epoch: 16, Nonce: nonce, Internal: 8466, External: netip.MustParseAddrPort("44.128.0.7:9999"),
	}
	refused := answer
	refused.Result = 2
	for _, c := range []struct {
		name, hex string
		want      portmap.PCPResponse
		err       error
	}{
		{"MAP", pcpMapAnswer, answer, nil},
		{"MAP with an option", pcpMapAnswer + "01000000", answer, nil},
		{"MAP refused", "02 81 00 02" + pcpMapAnswer[len("02 81 00 00"):], refused, nil},
		{"ANNOUNCE", pcpAnnounceAnswer, portmap.PCPResponse{Epoch: 16}, nil},
		{"a request", "02 01" + pcpMapAnswer[len("02 81"):], portmap.PCPResponse{}, portmap.ErrNoAnswer},
		{"PEER", "02 82" + pcpMapAnswer[len("02 81"):], portmap.PCPResponse{}, portmap.ErrNoAnswer},
		{"TCP", strings.Replace(pcpMapAnswer, "11 000000", "06 000000", 1), portmap.PCPResponse{}, portmap.ErrNoAnswer},
		{"NAT-PMP only", "00 81 0001 00000010", portmap.PCPResponse{}, portmap.ErrVersion},
		{"not a multiple of 4", pcpMapAnswer + "01", portmap.PCPResponse{}, portmap.ErrTruncated},
		{"too long", pcpMapAnswer + strings.Repeat("00", 1044), portmap.PCPResponse{}, portmap.ErrTooLong},
		{"nothing", "", portmap.PCPResponse{}, portmap.ErrTruncated},
	} {
		got, err := portmap.ParsePCPResponse(unhex(t, c.hex))
		if !errors.Is(err, c.err) || err == nil && got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v, %v", c.name, got, err, c.want, c.err)
		}
	}
}

func TestPMPResponses(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      portmap.PMPResponse
		err       error
	}{
		{"address", pmpAddressAnswer, portmap.PMPResponse{Epoch: 16, Address: netip.MustParseAddr("44.128.0.7")}, nil},
		{"map", pmpMapAnswer, portmap.PMPResponse{Map: true, Epoch: 16, Internal: 8466, External: 9999, Lifetime: 3600}, nil},
		{"refused", "00 81 0002 00000010", portmap.PMPResponse{Map: true, Result: 2, Epoch: 16}, nil},
		{"no address", "00 80 0003 00000010", portmap.PMPResponse{Result: 3, Epoch: 16}, nil},
		{"a request", "00 00", portmap.PMPResponse{}, portmap.ErrNoAnswer},
		{"TCP", "00 82 0000 00000010 2112 270f 00000e10", portmap.PMPResponse{}, portmap.ErrNoAnswer},
		{"PCP only", "02 80 0001 00000000 00000000", portmap.PMPResponse{}, portmap.ErrVersion},
		{"too long", pmpMapAnswer + strings.Repeat("00", 1100), portmap.PMPResponse{}, portmap.ErrTooLong},
	} {
		got, err := portmap.ParsePMPResponse(unhex(t, c.hex))
		if !errors.Is(err, c.err) || err == nil && got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v, %v", c.name, got, err, c.want, c.err)
		}
	}
}

// Every prefix of an answer is refused.
func TestTruncation(t *testing.T) {
	for name, c := range map[string]struct {
		hex   string
		parse func([]byte) error
	}{
		"PCP MAP":         {pcpMapAnswer, parsePCP},
		"PCP ANNOUNCE":    {pcpAnnounceAnswer, parsePCP},
		"NAT-PMP address": {pmpAddressAnswer, parsePMP},
		"NAT-PMP map":     {pmpMapAnswer, parsePMP},
	} {
		b := unhex(t, c.hex)
		for n := range b {
			if c.parse(b[:n]) == nil {
				t.Errorf("%s: %d of %d bytes are taken", name, n, len(b))
			}
		}
	}
}

func parsePCP(b []byte) error { _, err := portmap.ParsePCPResponse(b); return err }
func parsePMP(b []byte) error { _, err := portmap.ParsePMPResponse(b); return err }

func FuzzParsePCPResponse(f *testing.F) {
	for _, s := range []string{pcpMapAnswer, pcpAnnounceAnswer, pmpMapAnswer} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := portmap.ParsePCPResponse(b)
		if err != nil || !r.Map {
			return
		}
		// What a router says of a mapping is what a request for it would say, but for the address that was asked from.
		again := portmap.AppendPCPMap(nil, portmap.PCPMap{
			Client: netip.IPv6Unspecified(), Lifetime: r.Lifetime, Nonce: r.Nonce, Internal: r.Internal, External: r.External,
		})
		if string(again[24:36]) != string(b[24:36]) || string(again[40:60]) != string(b[40:60]) || string(again[4:8]) != string(b[4:8]) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

func FuzzParsePMPResponse(f *testing.F) {
	for _, s := range []string{pmpAddressAnswer, pmpMapAnswer, "00 81 0002 00000010", pcpMapAnswer} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := portmap.ParsePMPResponse(b)
		if err != nil || r.Result != 0 {
			return
		}
		if r.Map {
			again := portmap.AppendPMPMap(nil, r.Internal, r.External, r.Lifetime)
			if string(again[4:]) != string(b[8:16]) {
				t.Errorf("%x became %x", b, again)
			}
		} else if !r.Address.Is4() {
			t.Errorf("address %v", r.Address)
		}
	})
}

func TestResultsInWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{portmap.PCPResult(2).Error(), "the router says: not authorized"},
		{portmap.PCPResult(200).Error(), "the router says: PCP result 200"},
		{portmap.PMPResult(4).Error(), "the router says: out of resources"},
		{portmap.PMPResult(700).Error(), "the router says: NAT-PMP result 700"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
