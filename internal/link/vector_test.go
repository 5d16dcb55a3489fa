// SPDX-License-Identifier: MIT

package link_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/wire"
)

var update = flag.Bool("update", false, "write testdata/vectors/handshake.txt")

// counting is a source of secrets that anybody can repeat: bytes that count up. It notes what was read.
type counting struct {
	next  byte
	reads [][]byte
}

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = c.next
		c.next++
	}
	c.reads = append(c.reads, bytes.Clone(b))
	return len(b), nil
}

// The whole handshake with known keys: what another implementation must be able to compute.
func TestHandshakeVector(t *testing.T) {
	secretsA, secretsB := &counting{next: 0x20}, &counting{next: 0x80}
	table := func(seed byte, secrets *counting) *link.Table {
		key := identity.NewNodeKey([32]byte(bytes.Repeat([]byte{seed}, 32)))
		return link.NewTable(1, link.Config{Key: key, Rand: rand.New(rand.NewPCG(uint64(seed), 0)), Secrets: secrets})
	}
	a, b := table(0xa1, secretsA), table(0xb2, secretsB)
	addrA, addrB := netip.MustParseAddrPort("192.0.2.1:8466"), netip.MustParseAddrPort("[2001:db8::2]:8466")
	var outA, outB link.Output
	var s strings.Builder
	line := func(comment string, b []byte) { fmt.Fprintf(&s, "# %s\n%x\n", comment, b) }

	a.Dial(1, addrB, identity.NodeID{}, &outA)
	line("seed of the initiator, at "+addrA.String(), bytes.Repeat([]byte{0xa1}, 32))
	line("seed of the responder, at "+addrB.String(), bytes.Repeat([]byte{0xb2}, 32))
	hello := outA.Datagrams[0].Data
	line("HELLO", hello)
	b.HandleDatagram(1, addrA, hello, &outB)
	line("key of the responder's cookie MAC", secretsB.reads[1])
	line("COOKIE", outB.Datagrams[0].Data)
	a.HandleDatagram(1, addrB, outB.Datagrams[0].Data, &outA)
	line("private ephemeral key of the initiator", secretsA.reads[2])
	init := outA.Datagrams[1].Data
	line("INIT", init)
	b.HandleDatagram(1, addrA, init, &outB)
	line("private ephemeral key of the responder", secretsB.reads[2])
	line("RESP", outB.Datagrams[1].Data)
	a.HandleDatagram(1, addrB, outB.Datagrams[1].Data, &outA)
	ping := outA.Datagrams[2].Data
	id, payload := b.HandleDatagram(1, addrA, ping, &outB)
	line("payload of the initiator's first DATA", payload)
	line("DATA", ping)
	b.HandleMessage(1, id, payload, &outB)
	answer := outB.Datagrams[2].Data
	_, payload = a.HandleDatagram(1, addrB, answer, &outA)
	line("payload of the responder's first DATA", payload)
	line("DATA", answer)
	if len(payload) != 2*wire.PingBytes {
		t.Fatalf("the answer is %x", payload)
	}

	file := filepath.Join("testdata", "vectors", "handshake.txt")
	if *update {
		if err := os.WriteFile(file, []byte(s.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if s.String() != string(want) {
		t.Errorf("%s differs; run go test ./internal/link -update and look at the difference\n%s", file, s.String())
	}
}

// Peers whose public key is of low order would share a secret that everybody knows.
func TestLowOrderKey(t *testing.T) {
	lowOrder, err := hex.DecodeString("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range [][]byte{lowOrder, make([]byte, 32)} {
		n := newNetwork(t, 1)
		a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
		n.filter = func(from, to netip.AddrPort, d []byte) bool {
			if c, err := wire.ParseCookieReply(d); err == nil {
				copy(c.Key[:], key)
				n.inject(from, to, c.Append(nil))
				return false
			}
			return true
		}
		a.dial(b)
		n.run(6e9)
		for _, e := range a.take() {
			if strings.HasPrefix(e, "up") || !strings.HasSuffix(e, "refused") {
				t.Errorf("key %x: %s", key, e)
			}
		}
		if a.table.Len() != 0 {
			t.Errorf("key %x: a link stays", key)
		}
	}
}
