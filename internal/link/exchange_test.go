// SPDX-License-Identifier: MIT

package link_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/link"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

// exchange does what a node does with what an exchange told, and notes it.
func (h *host) exchange(e link.ExchangeEvent) {
	switch e.Kind {
	case link.ExchangeAsked:
		h.heard = append(h.heard, fmt.Sprintf("asked %s", e.Payload))
		if h.answer == nil {
			return
		}
		payload := h.answer(e)
		h.table.Answer(h.net.now, e.Reply, payload, &h.out)
		for i := range payload {
			payload[i] = 0xa5
		}
	case link.ExchangeAnswered:
		h.heard = append(h.heard, fmt.Sprintf("answered %d %s %v %s", e.Token, h.net.nameOf(e.Node), e.From, e.Payload))
	case link.ExchangeFailed:
		h.heard = append(h.heard, fmt.Sprintf("failed %d %v %v", e.Token, e.From, e.Reason))
	}
}

func (n *network) nameOf(id identity.NodeID) string {
	for _, h := range n.hosts {
		if h.key.Public() == id {
			return h.name
		}
	}
	return "?"
}

// ask asks whoever is at an address; node is who is expected there.
func (h *host) ask(to netip.AddrPort, node identity.NodeID, token uint64, text string) bool {
	payload := []byte(text)
	ok := h.table.Ask(h.net.now, link.Question{To: to, Node: node, Token: token, Payload: payload, AnswerBytes: 100}, &h.out)
	for i := range payload {
		payload[i] = 0xa5
	}
	h.flush()
	return ok
}

func wantHeard(t testing.TB, h *host, want ...string) {
	t.Helper()
	if !slices.Equal(h.heard, want) {
		t.Errorf("%s heard %q, want %q", h.name, h.heard, want)
	}
	h.heard = nil
}

// askPair are a node that asks and one that answers, at 20 ms from each other.
func askPair(t testing.TB) (*network, *host, *host) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466")
	b.answer = func(e link.ExchangeEvent) []byte { return append([]byte("re:"), e.Payload...) }
	return n, a, b
}

// types returns the types of the datagrams that travel from now on.
func (n *network) types() *[]string {
	var list []string
	n.taps = append(n.taps, func(_, _ netip.AddrPort, b []byte) {
		list = append(list, fmt.Sprint(wire.DatagramType(b[0]&0xf), " ", len(b)))
	})
	return &list
}

func TestAsk(t *testing.T) {
	for name, c := range map[string]struct {
		expect func(b *host) identity.NodeID
		want   []string
	}{
		"known":   {func(b *host) identity.NodeID { return b.key.Public() }, []string{"ASK 153", "ANSWER 61"}},
		"unknown": {func(*host) identity.NodeID { return identity.NodeID{} }, []string{"HELLO 72", "COOKIE 66", "ASK 153", "ANSWER 61"}},
	} {
		t.Run(name, func(t *testing.T) {
			n, a, b := askPair(t)
			types := n.types()
			if !a.ask(b.addr, c.expect(b), 7, "where") {
				t.Fatal("not asked")
			}
			n.run(10 * time.Second)
			wantHeard(t, b, "asked where")
			wantHeard(t, a, "answered 7 b 198.51.100.1:8466 re:where")
			if !slices.Equal(*types, c.want) {
				t.Errorf("datagrams %q, want %q", *types, c.want)
			}
			for _, h := range n.hosts {
				wantEvents(t, h)
				if h.table.Len() != 0 || h.table.Deadline() != mono.Never {
					t.Errorf("%s keeps %d links, deadline %d", h.name, h.table.Len(), h.table.Deadline())
				}
			}
			if asks, answers := a.table.Counters(), b.table.Counters(); asks.Asks != 1 || asks.AsksAnswered != 1 || answers.Answers != 1 {
				t.Errorf("counters %+v, %+v", asks, answers)
			}
		})
	}
}

// An ask that nobody answers is one datagram and, a second later, a HELLO.
func TestAskWithoutAnswer(t *testing.T) {
	n, a, b := askPair(t)
	types := n.types()
	b.gone = true
	a.ask(b.addr, b.key.Public(), 1, "where")
	a.ask(b.addr, identity.NodeID{}, 2, "where")
	n.run(3*time.Second - 1)
	wantHeard(t, a)
	n.run(1)
	wantHeard(t, a, "failed 1 198.51.100.1:8466 no_answer", "failed 2 198.51.100.1:8466 no_answer")
	if want := []string{"ASK 153", "HELLO 72", "HELLO 72", "HELLO 72"}; !slices.Equal(*types, want) {
		t.Errorf("datagrams %q, want %q", *types, want)
	}
	if a.table.Deadline() != mono.Never {
		t.Error("something is still due")
	}
}

// Whoever is at the address now answers, when the one that was expected is there no more, and the event says who.
func TestAskAfterRestart(t *testing.T) {
	n, a, b := askPair(t)
	c := n.add("c", "203.0.113.1:8466")
	a.ask(b.addr, c.key.Public(), 1, "where")
	n.run(time.Second + 3*n.delay)
	wantHeard(t, a)
	n.run(n.delay)
	wantHeard(t, a, "answered 1 b 198.51.100.1:8466 re:where")
	wantHeard(t, b, "asked where")
	if b.drops(link.DropHandshake) != 1 {
		t.Errorf("drops %v", b.table.Counters().Drops)
	}
}

// Whichever datagram is lost, the ask is answered, once.
func TestAskSurvivesALoss(t *testing.T) {
	for _, known := range []bool{true, false} {
		for lost := range 4 {
			n, a, b := askPair(t)
			sent := -1
			n.filter = func(_, _ netip.AddrPort, _ []byte) bool { sent++; return sent != lost }
			expect := identity.NodeID{}
			if known {
				expect = b.key.Public()
			}
			a.ask(b.addr, expect, 1, "where")
			n.run(10 * time.Second)
			wantHeard(t, a, "answered 1 b 198.51.100.1:8466 re:where")
		}
	}
}

// Datagrams that come twice, late or in another order end each ask once.
func TestAsksInDisorder(t *testing.T) {
	n, a, b := askPair(t)
	n.dupPM, n.jitter, n.lossPM = 300, 800*time.Millisecond, 100
	for i := range uint64(60) {
		if i%2 == 0 {
			a.ask(b.addr, b.key.Public(), i, "x")
		} else {
			a.ask(b.addr, identity.NodeID{}, i, "x")
		}
		n.run(300 * time.Millisecond)
	}
	n.run(10 * time.Second)
	ended := make(map[string]int)
	answered := 0
	for _, s := range a.heard {
		words := strings.Fields(s)
		ended[words[1]]++
		if words[0] == "answered" {
			answered++
		}
	}
	for i := range 60 {
		if got := ended[fmt.Sprint(i)]; got != 1 {
			t.Errorf("ask %d ended %d times", i, got)
		}
	}
	if answered < 45 {
		t.Errorf("%d of 60 asks were answered", answered)
	}
}

func TestAskRefusals(t *testing.T) {
	n, a, b := askPair(t)
	lowOrder, err := hex.DecodeString("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", wire.AskBytesMax)
	for name, refused := range map[string]bool{
		"port 0":   a.ask(netip.MustParseAddrPort("198.51.100.1:0"), b.key.Public(), 1, ""),
		"key":      a.ask(b.addr, identity.NodeID(lowOrder), 1, ""),
		"itself":   a.ask(b.addr, a.key.Public(), 1, ""),
		"too long": a.ask(b.addr, b.key.Public(), 1, long+"x"),
	} {
		if refused {
			t.Errorf("%s: asked", name)
		}
	}
	if n.run(time.Second); n.sent > 0 || a.table.Deadline() != mono.Never {
		t.Error("something was begun")
	}
	wantHeard(t, a)
	if !a.ask(b.addr, b.key.Public(), 3, long) {
		t.Error("the longest ask was refused")
	}
	n.run(time.Second)
	if len(b.heard) != 1 || b.heard[0] != "asked "+long {
		t.Errorf("b heard %q", b.heard)
	}
}

// COOKIE may show this node itself, a key that is worthless, or another version.
func TestAskMeetsBadCookie(t *testing.T) {
	for want, change := range map[string]func(a *host, c *wire.CookieReply){
		"self":    func(a *host, c *wire.CookieReply) { c.Key = a.key.Public() },
		"refused": func(_ *host, c *wire.CookieReply) { c.Key = [32]byte{} },
		"version": func(_ *host, c *wire.CookieReply) { c.Version = 2 },
	} {
		n, a, b := askPair(t)
		n.filter = func(from, to netip.AddrPort, d []byte) bool {
			c, err := wire.ParseCookieReply(d)
			if err == nil {
				change(a, &c)
				n.inject(from, to, c.Append(nil))
			}
			return err != nil
		}
		a.ask(b.addr, identity.NodeID{}, 1, "x")
		n.run(200 * time.Millisecond)
		wantHeard(t, a, "failed 1 198.51.100.1:8466 "+want)
	}
}

// A COOKIE from elsewhere, with another nonce, or for the second time makes nobody ask.
func TestAskTakesOneCookie(t *testing.T) {
	n, a, b := askPair(t)
	other := n.add("other", "203.0.113.1:1")
	types := n.types()
	n.filter = func(from, to netip.AddrPort, d []byte) bool {
		if c, err := wire.ParseCookieReply(d); err == nil {
			n.inject(other.addr, to, d)
			n.inject(from, to, d)
			n.inject(from, to, d)
			c.Nonce[0]++
			n.inject(from, to, c.Append(nil))
			return false
		}
		return true
	}
	a.ask(b.addr, identity.NodeID{}, 1, "x")
	n.run(time.Second / 2)
	if want := []string{"HELLO 72", "COOKIE 66", "ASK 153", "ANSWER 57"}; !slices.Equal(*types, want) {
		t.Errorf("datagrams %q, want %q", *types, want)
	}
	if a.drops(link.DropUnasked) != 3 {
		t.Errorf("drops %v", a.table.Counters().Drops)
	}
}

// A dial and an ask of the same address do not take each other's COOKIE.
func TestAskBesideDial(t *testing.T) {
	n, a, b := askPair(t)
	a.ask(b.addr, identity.NodeID{}, 1, "x")
	a.dial(b)
	a.ask(b.addr, identity.NodeID{}, 2, "y")
	n.run(time.Second)
	wantEvents(t, a, "up 1 b")
	wantHeard(t, a, "answered 1 b 198.51.100.1:8466 re:x", "answered 2 b 198.51.100.1:8466 re:y")
}

func TestAsksMax(t *testing.T) {
	n, a, b := askPair(t)
	b.gone = true
	for i := range uint64(64) {
		if !a.ask(b.addr, b.key.Public(), i, "") {
			t.Fatalf("ask %d was refused", i)
		}
	}
	if a.ask(b.addr, b.key.Public(), 64, "") {
		t.Error("65 asks are under way")
	}
	n.run(3 * time.Second)
	if len(a.heard) != 64 || !a.ask(b.addr, b.key.Public(), 65, "") {
		t.Errorf("%d asks failed", len(a.heard))
	}
}

// sealAsk makes an ASK by hand: message, and payload of answerBytes at least.
func sealAsk(t testing.TB, n *network, from, to *host, message []byte, answerBytes int) []byte {
	t.Helper()
	var out link.Output
	if !from.table.Ask(n.now, link.Question{To: to.addr, Node: to.key.Public(), Payload: message, AnswerBytes: answerBytes}, &out) {
		t.Fatal("not asked")
	}
	return out.Datagrams[0].Data
}

// However long ask and answer are, the answer is not longer than the ask, and an asker has the room it asked for.
func TestAnswersAreNotLongerThanAsks(t *testing.T) {
	n, _, b := askPair(t)
	b.answer = nil
	from := netip.MustParseAddrPort("203.0.113.5:1000")
	for _, message := range []int{0, 1, 2, 45, 46, 47, 48, 300, wire.AskBytesMax - 1, wire.AskBytesMax} {
		for _, room := range []int{0, 1, 2, 3, 4, 47, 48, 49, 50, 302, 303, wire.AnswerBytesMax, 5000} {
			n.now = n.now.Add(time.Second)
			asker := &host{net: n, name: "asker", addr: from, key: keyOf("asker")}
			asker.start(1)
			ask := sealAsk(t, n, asker, b, make([]byte, message), room)
			var out link.Output
			b.table.HandleDatagram(n.now, from, ask, &out)
			if len(out.Exchanges) != 1 || len(out.Exchanges[0].Payload) != message {
				t.Fatalf("heard %+v", out.Exchanges)
			}
			e := out.Exchanges[0]
			if want := min(max(room, message+2), wire.AnswerBytesMax); e.Room != want {
				t.Errorf("an ask of %d for %d has room for %d, want %d", message, room, e.Room, want)
			}
			if b.table.Answer(n.now, e.Reply, make([]byte, e.Room+1), &out) || len(out.Datagrams) > 0 {
				t.Fatal("an answer longer than its ask")
			}
			if !b.table.Answer(n.now, e.Reply, make([]byte, e.Room), &out) || len(out.Datagrams) != 1 || len(out.Datagrams[0].Data) > len(ask) {
				t.Fatalf("%d bytes were answered with %+v", len(ask), out.Datagrams)
			}
			if b.table.Answer(n.now, e.Reply, nil, &out) || len(out.Datagrams) != 1 {
				t.Fatal("a second answer")
			}
		}
	}
	if b.table.Answer(n.now, link.Reply{}, nil, &link.Output{}) {
		t.Error("an answer to nothing")
	}
}

func TestAskRates(t *testing.T) {
	exempt := func(c *link.Config) { c.PrefixExempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }
	few := func(c *link.Config) { c.AsksPerPrefix, c.AsksPerSecond = -1, 7 }
	all := func(c *link.Config) { c.AsksPerPrefix, c.AsksPerSecond = -1, -1 }
	for name, c := range map[string]struct {
		change   func(*link.Config)
		networks int // that ask 100 times each
		want     int
	}{
		"one prefix": {func(*link.Config) {}, 1, 40},
		"exempt":     {exempt, 1, 100},
		"all":        {func(c *link.Config) { c.AsksPerPrefix = -1 }, 5, 400},
		"few":        {few, 1, 7},
		"any":        {all, 5, 500},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, 1)
			b := n.add("b", "198.51.100.1:8466", c.change)
			a := &host{net: n, name: "a", key: keyOf("a")}
			a.start(1)
			ask := sealAsk(t, n, a, b, nil, 0)
			for round := range 2 {
				opened := 0
				for i := range c.networks * 100 {
					b.out.Reset()
					b.table.HandleDatagram(n.now, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2 + byte(i/100), byte(i)}), 1), ask, &b.out)
					opened += len(b.out.Exchanges)
				}
				if opened != c.want {
					t.Errorf("round %d: opened %d asks, want %d", round, opened, c.want)
				}
				n.now = n.now.Add(time.Second)
			}
			if got := b.drops(link.DropAskRate); got != uint64(2*(c.networks*100-c.want)) {
				t.Errorf("%d drops", got)
			}
		})
	}
}

// What was altered or cut is refused on both sides, and the true answer is still taken.
func TestTamperedExchange(t *testing.T) {
	n, a, b := askPair(t)
	n.filter = func(from, to netip.AddrPort, d []byte) bool {
		h := a
		if to == b.addr {
			h = b
		}
		n.now = n.now.Add(time.Second) // for the rates
		for size := range d {
			h.receive(from, bytes.Clone(d[:size]))
			if size%20 == 0 {
				n.now = n.now.Add(time.Second / 2)
			}
		}
		return true
	}
	var answer []byte
	n.taps = append(n.taps, func(from, _ netip.AddrPort, d []byte) {
		if from == b.addr {
			answer = bytes.Clone(d)
		}
	})
	ask := sealAsk(t, n, a, b, []byte("where"), 20)
	for i := range ask {
		n.now = n.now.Add(time.Second)
		for _, bit := range []int{0, 3, 7} {
			forged := bytes.Clone(ask)
			forged[i] ^= 1 << bit
			b.receive(a.addr, forged)
		}
	}
	wantHeard(t, b)
	if a.ask(b.addr, b.key.Public(), 1, "where"); a.heard != nil || b.heard != nil {
		t.Errorf("heard %q, %q", a.heard, b.heard)
	}
	n.queue = slices.DeleteFunc(n.queue, func(f flight) bool { return f.to != b.addr })
	held := n.queue[0]
	n.queue = nil
	b.receive(a.addr, held.data)
	n.queue = nil
	if answer == nil {
		t.Fatal("no answer")
	}
	for i := range answer {
		for bit := range 8 {
			forged := bytes.Clone(answer)
			forged[i] ^= 1 << bit
			a.receive(b.addr, forged)
		}
	}
	a.receive(netip.MustParseAddrPort("198.51.100.1:8467"), bytes.Clone(answer))
	wantHeard(t, a)
	a.receive(b.addr, bytes.Clone(answer))
	wantHeard(t, a, "answered 1 b 198.51.100.1:8466 re:where")
	a.receive(b.addr, bytes.Clone(answer))
	wantHeard(t, a)
}

// The whole exchange with known keys: what another implementation must be able to compute.
func TestExchangeVector(t *testing.T) {
	secretsA, secretsB := &counting{next: 0x20}, &counting{next: 0x80}
	table := func(seed byte, secrets *counting) (*link.Table, identity.NodeID) {
		key := identity.NewNodeKey([32]byte(bytes.Repeat([]byte{seed}, 32)))
		return link.NewTable(1, link.Config{Key: key, Rand: rand.New(rand.NewPCG(uint64(seed), 0)), Secrets: secrets}), key.Public()
	}
	a, _ := table(0xa1, secretsA)
	b, idB := table(0xb2, secretsB)
	addrA, addrB := netip.MustParseAddrPort("192.0.2.1:8466"), netip.MustParseAddrPort("[2001:db8::2]:8466")
	var outA, outB link.Output
	var s strings.Builder
	line := func(comment string, b []byte) { fmt.Fprintf(&s, "# %s\n%x\n", comment, b) }

	a.Ask(1, link.Question{To: addrB, Node: idB, Token: 5, Payload: []byte("message of the ask"), AnswerBytes: 32}, &outA)
	ask := outA.Datagrams[0].Data
	line("seed of the answerer", bytes.Repeat([]byte{0xb2}, 32))
	line("private ephemeral key of the asker", secretsA.reads[3])
	line("message of the ask, padded for an answer of 32 bytes", []byte("message of the ask"))
	line("ASK", ask)
	b.HandleDatagram(1, addrA, ask, &outB)
	answered := b.Answer(1, outB.Exchanges[0].Reply, []byte("message of the answer"), &outB)
	line("private ephemeral key of the answerer", secretsB.reads[1])
	line("message of the answer", []byte("message of the answer"))
	answer := outB.Datagrams[0].Data
	line("ANSWER", answer)
	a.HandleDatagram(1, addrB, answer, &outA)
	if !answered || len(outA.Exchanges) != 1 || string(outA.Exchanges[0].Payload) != "message of the answer" {
		t.Fatalf("heard %+v", outA.Exchanges)
	}
	if got := secretsA.reads[2]; !bytes.Equal(got, ask[1:5]) {
		t.Fatalf("the ASK's id is not %x", got)
	}

	file := filepath.Join("testdata", "vectors", "exchange.txt")
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

// FuzzExchange lets a stranger send anything to a node that asks, and whoever is asked say anything: what was asked is
// answered with no more bytes than came, and an ask ends once.
func FuzzExchange(f *testing.F) {
	n, a, b := askPair(f)
	f.Add(sealAsk(f, n, a, b, []byte("where"), 20), []byte("here"))
	f.Add(wire.Hello{Version: wire.Version}.Append(nil), []byte{})
	f.Add(wire.CookieReply{Version: wire.Version}.Append(nil), make([]byte, 100))
	f.Add(wire.SealedAnswer{Noise: make([]byte, 48)}.Append(nil), make([]byte, 2000))
	f.Fuzz(func(t *testing.T, data, answer []byte) {
		n, a, b := askPair(t)
		from := netip.MustParseAddrPort("203.0.113.5:1000")
		a.ask(b.addr, identity.NodeID{}, 1, "x")
		for _, h := range []*host{a, b} {
			h.table.HandleDatagram(n.now, from, data, &h.out)
			h.table.HandleDatagram(n.now, b.addr, data, &h.out)
			for _, e := range h.out.Exchanges {
				h.table.Answer(n.now, e.Reply, answer, &h.out)
			}
			out := 0
			for _, d := range h.out.Datagrams {
				out += len(d.Data)
			}
			if out > 2*len(data) {
				t.Errorf("%d bytes were answered twice with %d", len(data), out)
			}
			h.out.Reset()
		}
		b.answer = func(e link.ExchangeEvent) []byte { return bytes.Clone(answer[:min(len(answer), e.Room)]) }
		n.run(10 * time.Second)
		wantHeard(t, a, fmt.Sprintf("answered 1 b 198.51.100.1:8466 %s", answer[:min(len(answer), 100)]))
	})
}

// One answered ask at the answerer: opened, handed out, answered.
func BenchmarkAnswer(b *testing.B) {
	for _, size := range []int{150, wire.AnswerBytesMax} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			n := newNetwork(b, 1)
			asker, hub := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466", anyAsks)
			ask, answer := sealAsk(b, n, asker, hub, make([]byte, 100), size), make([]byte, size)
			b.ReportAllocs()
			for b.Loop() {
				hub.out.Reset()
				hub.table.HandleDatagram(n.now, asker.addr, ask, &hub.out)
				if !hub.table.Answer(n.now, hub.out.Exchanges[0].Reply, answer, &hub.out) {
					b.Fatal("not answered")
				}
			}
		})
	}
}

// One ask at the asker: sealed, sent, and its answer opened.
func BenchmarkAsk(b *testing.B) {
	n := newNetwork(b, 1)
	asker, hub := n.add("a", "192.0.2.1:8466"), n.add("b", "198.51.100.1:8466", anyAsks)
	question := link.Question{To: hub.addr, Node: hub.key.Public(), Payload: make([]byte, 100), AnswerBytes: 150}
	answer := make([]byte, 150)
	b.ReportAllocs()
	for b.Loop() {
		asker.out.Reset()
		asker.table.Ask(n.now, question, &asker.out)
		b.StopTimer()
		hub.out.Reset()
		hub.table.HandleDatagram(n.now, asker.addr, asker.out.Datagrams[0].Data, &hub.out)
		hub.table.Answer(n.now, hub.out.Exchanges[0].Reply, answer, &hub.out)
		b.StartTimer()
		asker.table.HandleDatagram(n.now, hub.addr, hub.out.Datagrams[0].Data, &asker.out)
		if len(asker.out.Exchanges) != 1 {
			b.Fatal("not answered")
		}
	}
}

// A flood of ASKs that do not open costs no more than the rate allows.
func BenchmarkForgedAsk(b *testing.B) {
	for name, change := range map[string]func(*link.Config){"opened": anyAsks, "over the rate": func(c *link.Config) { c.AsksPerSecond = 1 }} {
		b.Run(name, func(b *testing.B) {
			n := newNetwork(b, 1)
			hub := n.add("b", "198.51.100.1:8466", change)
			forged := wire.SealedAsk{Noise: bytes.Repeat([]byte{9}, 200)}.Append(nil)
			b.ReportAllocs()
			for b.Loop() {
				hub.out.Reset()
				hub.table.HandleDatagram(n.now, hub.addr, forged, &hub.out)
			}
		})
	}
}

func anyAsks(c *link.Config) { c.AsksPerPrefix, c.AsksPerSecond = -1, -1 }
