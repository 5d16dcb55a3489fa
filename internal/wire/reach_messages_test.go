// SPDX-License-Identifier: MIT

package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"streamer/internal/identity"
	"streamer/internal/wire"
)

// reachParsers read the messages of reaching each other, after their type, and write them again.
func reachParsers() map[byte]func([]byte) (fields string, again, rest []byte, err error) {
	return map[byte]func([]byte) (string, []byte, []byte, error){
		wire.TypeStanding: func(b []byte) (string, []byte, []byte, error) {
			m, rest, err := wire.ParseStanding(b, nil)
			if err != nil {
				return "", nil, nil, err
			}
			return fmt.Sprint(m), m.Append(nil), rest, nil
		},
		wire.TypeIntroduce:    reread(wire.ParseIntroduce, wire.Introduce.Append),
		wire.TypeIntroduced:   reread(wire.ParseIntroduced, wire.Introduced.Append),
		wire.TypeIntroduction: reread(wire.ParseIntroduction, wire.Introduction.Append),
		wire.TypeReady:        reread(wire.ParseReady, wire.Ready.Append),
		wire.TypeProbeMe:      reread(wire.ParseProbeMe, wire.ProbeMe.Append),
		wire.TypeProbe:        reread(wire.ParseProbe, wire.Probe.Append),
		wire.TypeCarry:        reread(wire.ParseCarry, wire.Carry.Append),
		wire.TypeWait:         reread(wire.ParseWait, wire.Wait.Append),
		wire.TypeWaited:       reread(wire.ParseWaited, wire.Waited.Append),
		wire.TypeOutside:      reread(wire.ParseOutside, wire.Outside.Append),
	}
}

func reread[M any](parse func([]byte) (M, []byte, error), appendTo func(M, []byte) []byte) func([]byte) (string, []byte, []byte, error) {
	return func(b []byte) (string, []byte, []byte, error) {
		m, rest, err := parse(b)
		if err != nil {
			return "", nil, nil, err
		}
		return fmt.Sprint(m), appendTo(m, nil), rest, nil
	}
}

// reachMessages are one message of each type or more, written out as docs/protocol/reach.md says.
func reachMessages() []struct {
	name    string
	message func([]byte) []byte
	want    string // in hex
} {
	token := wire.PunchToken{1, 2, 3, 4, 5, 6, 7, 8}
	node := identity.NodeID(count(0x20, 32))
	four, six := netip.MustParseAddrPort("192.0.2.7:8466"), netip.MustParseAddrPort("[2001:db8::7]:8466")
	const nodeHex = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
	const fourHex, sixHex = "04c00002072112", "0620010db80000000000000000000000072112"
	return []struct {
		name    string
		message func([]byte) []byte
		want    string
	}{
		{"STANDING", wire.Standing{Open: true, Kept: true, You: four}.Append, "2005" + fourHex + "00"},
		{"STANDING with tags", wire.Standing{Keep: true, Carries: true, Seq: 1, Ack: 2, You: six, Carried: []wire.StationTag{0x0102030405060708}}.Append,
			"209a" + sixHex + "010102030405060708"},
		{"INTRODUCE", wire.Introduce{Token: token, Target: node, Ports: wire.Ports{Base: 40001, Step: 2}}.Append,
			"210102030405060708" + nodeHex + "9c4102"},
		{"INTRODUCED", wire.Introduced{Token: token, Asker: node, Addr: four, Ports: wire.Ports{Base: 40001, Step: -1}}.Append,
			"220102030405060708" + nodeHex + fourHex + "9c41ff"},
		{"INTRODUCTION", wire.Introduction{Token: token, Addr: six}.Append, "23010203040506070800" + sixHex + "000000"},
		{"INTRODUCTION refused", wire.Introduction{Token: token, Status: wire.IntroductionRefused}.Append, "23010203040506070802"},
		{"READY", wire.Ready{Token: token, Ports: wire.Ports{Base: 1, Step: 1}}.Append, "240102030405060708000101"},
		{"PROBE_ME", wire.ProbeMe{Token: token}.Append, "2501020304050607080000"},
		{"PROBE_ME with port", wire.ProbeMe{Token: token, Port: 8466}.Append, "2501020304050607082112"},
		{"PROBE", wire.Probe{Token: token, Addr: four}.Append, "260102030405060708" + fourHex},
		{"CARRY", wire.Carry{Station: identity.StationID(node)}.Append, "27" + nodeHex},
		{"WAIT", wire.Wait{Token: token, Seconds: 290}.Append, "2d01020304050607080122"},
		{"WAITED", wire.Waited{Token: token}.Append, "2e0102030405060708"},
		{"OUTSIDE", wire.Outside{Addr: six}.Append, "2f" + sixHex},
		{"PUNCH", wire.Punch{Token: token}.Append, "080102030405060708"},
	}
}

func TestReachMessages(t *testing.T) {
	for _, tt := range reachMessages() {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.message(nil)
			if got := fmt.Sprintf("%x", b); got != tt.want {
				t.Fatalf("written as %s, want %s", got, tt.want)
			}
			if tt.name == "PUNCH" {
				requirePunch(t, b)
				return
			}
			parse := reachParsers()[b[0]]
			_, again, rest, err := parse(append(b[1:len(b):len(b)], 0xee))
			if err != nil || !bytes.Equal(again, b) || !bytes.Equal(rest, []byte{0xee}) {
				t.Errorf("%x is read and written as %x, leaves %x, error %v", b, again, rest, err)
			}
			for n := range len(b) - 1 {
				if _, _, _, err := parse(b[1 : 1+n]); !errors.Is(err, wire.ErrTruncated) {
					t.Errorf("cut to %d bytes: error %v", n, err)
				}
			}
		})
	}
}

func requirePunch(t *testing.T, b []byte) {
	t.Helper()
	if p, err := wire.ParsePunch(b); err != nil || !bytes.Equal(p.Append(nil), b) || len(b) != wire.PunchBytes {
		t.Errorf("%x is read as %v, error %v", b, p, err)
	}
	for n := range len(b) {
		if _, err := wire.ParsePunch(b[:n]); !errors.Is(err, wire.ErrTruncated) {
			t.Errorf("cut to %d bytes: error %v", n, err)
		}
	}
	if _, err := wire.ParsePunch(append(b, 0)); !errors.Is(err, wire.ErrTooLong) {
		t.Errorf("a byte more: error %v", err)
	}
	if kind, err := wire.ParseDatagramType(b); err != nil || kind != wire.DatagramPunch || kind.String() != "PUNCH" {
		t.Errorf("type %v, error %v", kind, err)
	}
}

func FuzzReachMessages(f *testing.F) {
	for _, m := range reachMessages() {
		f.Add(m.message(nil))
	}
	parsers := reachParsers()
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := wire.ParsePunch(b); err == nil && !bytes.Equal(p.Append(nil), b) {
			t.Errorf("%x is written again as %x", b, p.Append(nil))
		}
		if len(b) == 0 || parsers[b[0]] == nil {
			return
		}
		fields, again, rest, err := parsers[b[0]](b[1:])
		if err != nil {
			return
		}
		fields2, again2, _, err := parsers[again[0]](again[1:])
		if err != nil || fields2 != fields || !bytes.Equal(again2, again) {
			t.Errorf("%x (%s) is written as %x, which is read as %s, error %v", b[:len(b)-len(rest)], fields, again, fields2, err)
		}
	})
}
