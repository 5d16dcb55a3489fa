// SPDX-License-Identifier: MIT

package dht_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"

	"streamer/internal/dht"
)

// Answers as BEP 5 and BEP 32 show them, and as members send them.
const (
	id    = "2:id20:abcdefghij0123456789"
	pong  = "d1:rd" + id + "e1:t2:aa1:y1:re"
	peers = "d1:rd" + id + "5:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re"
	fault = "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee"
	full  = "d2:ip6:\x7f\x00\x00\x01\x1f\x901:rd" + id + "5:nodes26:mnopqrstuvwxyz12345612345e" +
		"e1:t4:abcd1:v4:LT\x01\x021:y1:re"
)

// rewritten is an answer as the library gets it.
func rewritten(nodes, nodes6, token, values, transaction string) string {
	return "d1:rd" + id + "5:nodes" + nodes + "6:nodes6" + nodes6 + token + "6:valuesl" + values + "ee1:t" + transaction + "1:y1:re"
}

func TestAnswers(t *testing.T) {
	plain := rewritten("0:", "0:", "", "", "2:aa")
	with := func(r string) string { return "d1:rd" + id + r + "e1:t2:aa1:y1:re" }
	deep := func(n int) string { return with("1:x" + strings.Repeat("l", n) + strings.Repeat("e", n)) }
	pad := dht.AnswerBytesMax - len(with("1:v1999:"))
	longest := with(fmt.Sprintf("1:v%d:%s", pad, strings.Repeat("v", pad)))
	node := func(n byte) string { return "mnopqrstuvwxyz123456\x0a\x00\x00" + string(rune(n)) + "\x1f\x90" }
	node6 := "mnopqrstuvwxyz123456\x2a\x01" + strings.Repeat("\x00", 13) + "\x01\x1f\x90"
	mapped := "mnopqrstuvwxyz123456" + strings.Repeat("\x00", 10) + "\xff\xff\x0a\x00\x00\x01\x1f\x90"
	failed := "d1:eli201e0:e1:t2:aa1:y1:ee"
	for _, c := range []struct{ name, in, want string }{
		{"BEP 5's pong", pong, plain},
		{"BEP 5's peers", peers, rewritten("0:", "0:", "5:token8:aoeusnth", "6:axje.u6:idhtnm", "2:aa")},
		{"BEP 5's error", fault, failed},
		{"an error without a text", "d1:e0:1:t2:aa1:y1:ee", failed},
		{"address, nodes and version", full, rewritten("26:mnopqrstuvwxyz12345612345e", "0:", "", "", "4:abcd")},
		{"zeros behind it", pong + "\x00\x00", plain},
		{"numbers", with("1:ni-9223372036854775808e"), plain},
		{
			"IPv6", with("6:nodes638:" + node6 + "6:valuesl18:" + node6[20:] + "e"),
			rewritten("0:", "38:"+node6, "", "18:"+node6[20:], "2:aa"),
		},
		{"an IPv4 node behind an IPv6 one", with("6:nodes664:" + node6 + node(1)), rewritten("0:", "38:"+node6, "", "", "2:aa")},
		{"IPv4 written as IPv6", with("6:nodes638:" + mapped + "6:valuesl18:" + mapped[20:] + "e"), plain},
		{"a node cut short", with("5:nodes51:" + node(1) + node(2)[:25]), rewritten("26:"+node(1), "0:", "", "", "2:aa")},
		{"nodes that nobody can be", with("5:nodes52:" + node(1)[:24] + "\x00\x00" + node(1)[:20] + "\xff\xff\xff\xff\x1f\x90"), plain},
		{"20 nodes", with("5:nodes520:" + strings.Repeat(node(1), 20)), rewritten("416:"+strings.Repeat(node(1), 16), "0:", "", "", "2:aa")},
		{"odd values", with("6:valuesl0:1:a5:abcde6:axje.u7:abcdefge"), rewritten("0:", "0:", "", "6:axje.u", "2:aa")},
		{"a long token", with("5:token65:" + strings.Repeat("t", 65)), plain},
		{"deepest", deep(dht.AnswerDepthMax - 2), plain},
		{"deeper", deep(dht.AnswerDepthMax - 1), ""},
		{"longest", longest, plain},
		{"longer", longest + "\x00", ""},
		{"a question", "d1:ad" + id + "e1:q4:ping1:t2:aa1:y1:qe", ""},
		{"claims 128 MB", "d134217727:", ""},
		{"claims 128 MB inside", "d1:rd2:id134217727:e1:t2:aa1:y1:re", ""},
		{"claims more than an integer holds", "d1:rd2:id99999999999999999999999:e1:t2:aa1:y1:re", ""},
		{"number without digits", with("1:nie"), ""},
		{"number of 20 digits", with("1:ni92233720368547758080e"), ""},
		{"number as key", with("i1e1:a"), ""},
		{"values as text", with("6:values6:axje.u"), ""},
		{"a number among the values", with("6:valuesli1ee"), ""},
		{"no t", "d1:rd" + id + "e1:y1:re", ""},
		{"empty t", "d1:rd" + id + "e1:t0:1:y1:re", ""},
		{"t of 17 bytes", "d1:rd" + id + "e1:t17:aaaaaaaaaaaaaaaaa1:y1:re", ""},
		{"no y", "d1:rd" + id + "e1:t2:aae", ""},
		{"y is a number", "d1:rd" + id + "e1:t2:aa1:yi1ee", ""},
		{"no id", "d1:rde1:t2:aa1:y1:re", ""},
		{"id of 19 bytes", "d1:rd2:id19:abcdefghij012345678e1:t2:aa1:y1:re", ""},
		{"r is a list", "d1:rle1:t2:aa1:y1:re", ""},
		{"no r", "d1:t2:aa1:y1:re", ""},
		{"a list", "l1:t2:aa1:y1:re", ""},
		{"nothing", "", ""},
	} {
		if got := dht.Rewrite([]byte(c.in)); string(got) != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.name, c.in, got, c.want)
		}
	}
	for _, whole := range []string{pong, peers, fault, full} {
		for n := range whole {
			if dht.Rewrite([]byte(whole[:n])) != nil {
				t.Errorf("%q cut to %d bytes was taken", whole, n)
			}
		}
	}
}

// What is written anew is read by the library, which must understand all of it.
func FuzzAnswer(f *testing.F) {
	for _, seed := range append(oddAnswers(), pong, peers, fault, full) {
		f.Add([]byte(strings.ReplaceAll(seed, "TT", "aa")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		out := dht.Rewrite(b)
		if out == nil {
			return
		}
		if again := dht.Rewrite(out); len(out) <= dht.AnswerBytesMax && !bytes.Equal(out, again) {
			t.Fatalf("%q becomes %q", out, again)
		}
		var m krpc.Msg
		if err := bencode.Unmarshal(out, &m); err != nil || m.Y != "e" && (m.Y != "r" || m.R == nil) {
			t.Fatalf("the library reads %q as %+v: %v", out, m, err)
		}
	})
}
