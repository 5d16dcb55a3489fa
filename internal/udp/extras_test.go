// SPDX-License-Identifier: MIT

package udp_test

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/udp"
)

// far is the other end of a guess: an ordinary socket.
type far struct {
	t    *testing.T
	conn *net.UDPConn
	addr netip.AddrPort
}

func newFar(t *testing.T) far {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return far{t, c, c.LocalAddr().(*net.UDPAddr).AddrPort()}
}

func (f far) hear() (from netip.AddrPort, text string) {
	f.t.Helper()
	buf := make([]byte, 100)
	if err := f.conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		f.t.Fatal(err)
	}
	n, from, err := f.conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		f.t.Fatal(err)
	}
	return from, string(buf[:n])
}

func (f far) say(to netip.AddrPort, text string) {
	f.t.Helper()
	if _, err := f.conn.WriteToUDPAddrPort([]byte(text), to); err != nil {
		f.t.Fatal(err)
	}
}

// TestExtras: of many ports the one is kept on which the right answer came, and it serves both ways.
func TestExtras(t *testing.T) {
	const ports = 20
	conn, err := udp.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	heard := make(chan string, ports)
	x := conn.NewExtras(func(_ netip.AddrPort, b []byte) { heard <- string(b) })
	t.Cleanup(func() { _ = x.Close() })
	e, stranger := newFar(t), newFar(t)
	w := conn.NewWriter()
	write := func(text string) netip.AddrPort {
		t.Helper()
		msgs := []udp.Message{{To: stranger.addr, Data: []byte("x")}, {To: e.addr, Data: []byte(text)}, {To: stranger.addr, Data: []byte("y")}}
		if n, err := w.WriteBatch(msgs); n != 3 || err != nil {
			t.Fatalf("%d of 3 written: %v", n, err)
		}
		for _, want := range []string{"x", "y"} {
			if from, got := stranger.hear(); got != want || from.Port() != uint16(conn.Port()) {
				t.Errorf("another address heard %q from %v", got, from)
			}
		}
		from, got := e.hear()
		if got != text {
			t.Errorf("heard %q, want %q", got, text)
		}
		return from
	}
	if err := x.Try(e.addr, []byte("knock"), ports); err != nil {
		t.Fatal(err)
	}
	var from []netip.AddrPort
	for range ports {
		a, text := e.hear()
		if text != "knock" || slices.Contains(from, a) {
			t.Fatalf("%q from %v", text, a)
		}
		from = append(from, a)
	}
	if a := write("early"); a.Port() != uint16(conn.Port()) {
		t.Errorf("before a port is kept, %v sends", a)
	}
	stranger.say(from[3], "knock")
	e.say(from[4], "knock?")
	e.say(from[7], "knock")
	if got := <-heard; got != "knock" {
		t.Fatalf("handled %q", got)
	}
	x.Drop(e.addr, true)
	if tried, kept := x.Count(); tried != 0 || kept != 1 {
		t.Errorf("%d ports are tried, %d kept", tried, kept)
	}
	if a := write("late"); a != from[7] {
		t.Errorf("%v sends, want %v", a, from[7])
	}
	stranger.say(from[7], "not for you")
	e.say(from[7], "anything")
	if got := <-heard; got != "anything" {
		t.Errorf("handled %q", got)
	}
	x.Drop(e.addr, false)
	if a := write("over"); a.Port() != uint16(conn.Port()) {
		t.Errorf("after all, %v sends", a)
	}
	if tried, kept := x.Count(); tried+kept != 0 {
		t.Errorf("%d ports are open", tried+kept)
	}
	if err := x.Try(e.addr, nil, udp.ExtrasMax+1); err != nil {
		t.Fatal(err)
	}
	if tried, _ := x.Count(); tried != udp.ExtrasMax {
		t.Errorf("%d ports are open, at most %d may", tried, udp.ExtrasMax)
	}
}
