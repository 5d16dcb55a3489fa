// SPDX-License-Identifier: MIT

package dht_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"streamer/internal/dht"
)

// oddAnswers are what a member might say; TT stands for the question's transaction.
func oddAnswers() []string {
	answer := func(r string) string { return "d1:rd" + r + "e1:t2:TT1:y1:re" }
	return []string{
		answer(""),
		answer(id),
		answer("2:id3:abc"),
		answer("2:idi7e"),
		answer("2:idle"),
		answer("2:id20:" + strings.Repeat("\x00", 20)),
		answer(id + "5:nodes3:abc"),
		answer(id + "5:nodesle"),
		answer(id + "5:nodes26:" + strings.Repeat("\x00", 26)),
		answer(id + "5:nodes26:" + strings.Repeat("\xff", 26)),
		answer(id + "6:nodes638:" + strings.Repeat("\xff", 38)),
		answer(id + "6:nodes638:" + strings.Repeat("\x00", 38)),
		answer(id + "5:tokeni1e"),
		answer(id + "5:token0:"),
		answer(id + "5:token2:tt6:values6:abcdef"),
		answer(id + "5:token2:tt6:valuesl0:5:abcdee"),
		answer(id + "5:token2:tt6:valuesl6:abcdefi1ee"),
		answer(id + "5:token2:tt6:valuesl18:" + strings.Repeat("\x01", 18) + "e"),
		answer(id + "1:kl1:ae3:seqi1e3:sigd1:a1:be1:vi1e"),
		answer(id + "4:BFpe3:abc4:BFsd5:hello"),
		answer(id + "4:BFpei1e4:BFsdle"),
		answer(id + "7:samples3:abc3:numi-1e8:intervali-1e"),
		"d1:rd" + id + "e1:rd" + id + "e1:t2:TT1:y1:re",
		"d1:eli201e5:helloe1:t2:TT1:y1:ee",
		"d1:ele1:t2:TT1:y1:ee",
		"d1:ei1e1:t2:TT1:y1:ee",
		"d1:t2:TT1:y1:ee",
		"d1:t2:TT1:y1:re",
		"d2:ip3:abc1:rd" + id + "e1:t2:TT1:y1:re",
		"d2:ipi1e1:rd" + id + "e1:t2:TT1:y1:re",
		"d1:rd" + id + "e2:roi1e1:t2:TT1:y1:re",
		"d1:rd" + id + "e1:t2:TT1:vle1:y1:re",
		"d1:ad" + id + "e1:q4:ping1:t2:TT1:y1:qe",
		"d1:q4:ping1:t2:TT1:y1:qe",
		"d134217727:",
		"dd",
		"",
	}
}

// answerers is a member that sends, for each question, all the answers. It returns where it is and how many questions came.
func answerers(t *testing.T, answers []string) (netip.AddrPort, *atomic.Int64) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			asked.Add(1)
			for _, a := range answers {
				_, _ = conn.WriteToUDPAddrPort([]byte(withTransaction(a, b[:n])), from)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort(), &asked
}

// withTransaction puts a question's transaction, "1:tN:xx", into an answer.
func withTransaction(answer string, question []byte) string {
	at := bytes.LastIndex(question, []byte("1:t"))
	if at < 0 {
		return answer
	}
	var length int
	text := string(question[at+3:])
	if _, err := fmt.Sscanf(text, "%d:", &length); err != nil || len(text) < len("1:")+length {
		return answer
	}
	_, rest, _ := strings.Cut(text, ":")
	return strings.ReplaceAll(answer, "2:TT", fmt.Sprintf("%d:%s", length, rest[:length]))
}

// Whatever a member answers, rounds end and the process lives.
func TestOddAnswers(t *testing.T) {
	for i, odd := range oddAnswers() {
		t.Run(fmt.Sprintf("%q", odd), func(t *testing.T) {
			t.Parallel()
			at, asked := answerers(t, []string{odd, "d1:rd" + id + "e1:t2:TT1:y1:re"})
			d := newUser(t, func(context.Context) []netip.AddrPort { return []netip.AddrPort{at} })
			port := uint16(i % 2) // find or announce
			if _, err := d.Announce(t.Context(), dht.NetworkKey(), port, nil); err != nil && !errors.Is(err, dht.ErrSilent) {
				t.Error(err)
			}
			if asked.Load() == 0 {
				t.Error("it was never sent")
			}
		})
	}
}

// Two members invent as many addresses as fit, each others.
func TestFoundAtMost(t *testing.T) {
	var start []netip.AddrPort
	for member := range 2 {
		var values strings.Builder
		for i := range dht.FoundMax - 10 {
			values.WriteString("6:")
			values.Write([]byte{10, 0, byte(member), byte(i), 31, 144})
		}
		at, _ := answerers(t, []string{"d1:rd" + id + "5:token1:t6:valuesl" + values.String() + "ee1:t2:TT1:y1:re"})
		start = append(start, at)
	}
	d := newUser(t, func(context.Context) []netip.AddrPort { return start })
	found := 0
	r, err := d.Announce(t.Context(), dht.NetworkKey(), 1, func(netip.AddrPort) { found++ })
	if err != nil || r.Answered != 2 || found != dht.FoundMax || r.Found != dht.FoundMax {
		t.Errorf("%d found, %+v, %v; want %d", found, r, err, dht.FoundMax)
	}
}
