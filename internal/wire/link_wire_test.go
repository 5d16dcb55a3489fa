// SPDX-License-Identifier: MIT

package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"streamer/internal/wire"
)

// linkParsers read a datagram or message by name, and write it again. What they return describes all fields.
func linkParsers() map[string]func(b []byte) (fields string, again []byte, err error) {
	return map[string]func(b []byte) (string, []byte, error){
		"HELLO": func(b []byte) (string, []byte, error) {
			h, err := wire.ParseHello(b)
			return fmt.Sprintf("version %d, nonce %x", h.Version, h.Nonce), h.Append(nil), err
		},
		"COOKIE": func(b []byte) (string, []byte, error) {
			c, err := wire.ParseCookieReply(b)
			return fmt.Sprintf("version %d, nonce %x, cookie %x, key %x", c.Version, c.Nonce, c.Cookie, c.Key), c.Append(nil), err
		},
		"INIT": func(b []byte) (string, []byte, error) {
			i, err := wire.ParseInit(b)
			return fmt.Sprintf("cookie %x, noise %x", i.Cookie, i.Noise), i.Append(nil), err
		},
		"RESP": func(b []byte) (string, []byte, error) {
			p, err := wire.ParseResp(b)
			return fmt.Sprintf("receiver %08x, noise %x", p.Receiver, p.Noise), p.Append(nil), err
		},
		"DATA": func(b []byte) (string, []byte, error) {
			h, sealed, err := wire.ParseData(b)
			return fmt.Sprintf("phase %v, receiver %08x, counter %d, sealed %x", h.Phase, h.Receiver, h.Counter, sealed), append(h.Append(nil), sealed...), err
		},
		"payload of INIT and RESP": func(b []byte) (string, []byte, error) {
			p, err := wire.ParseHandshakePayload(b)
			return fmt.Sprintf("sender %08x, instance %08x", p.Sender, p.Instance), p.Append(nil), err
		},
		"PING": func(b []byte) (string, []byte, error) {
			p, rest, err := wire.ParsePing(b)
			return fmt.Sprintf("token %08x", p.Token), append(p.Append(nil), rest...), err
		},
		"PONG": func(b []byte) (string, []byte, error) {
			p, rest, err := wire.ParsePong(b)
			return fmt.Sprintf("token %08x", p.Token), append(p.Append(nil), rest...), err
		},
		"PATH_CHALLENGE": func(b []byte) (string, []byte, error) {
			p, rest, err := wire.ParsePathChallenge(b)
			return fmt.Sprintf("proof %x", p.Proof), append(p.Append(nil), rest...), err
		},
		"PATH_RESPONSE": func(b []byte) (string, []byte, error) {
			p, rest, err := wire.ParsePathResponse(b)
			return fmt.Sprintf("proof %x", p.Proof), append(p.Append(nil), rest...), err
		},
		"REPORT": func(b []byte) (string, []byte, error) {
			p, rest, err := wire.ParseReport(b)
			return fmt.Sprintf("highest %04x, received %d, samples %v", p.Highest, p.Received, p.Samples[:p.N]), append(p.Append(nil), rest...), err
		},
		"CLOSE": func(b []byte) (string, []byte, error) {
			c, rest, err := wire.ParseClose(b)
			return fmt.Sprintf("code %d %v", c.Code, c.Code), append(c.Append(nil), rest...), err
		},
	}
}

// Every proper prefix of every vector is refused as truncated, except of DATA, whose sealed part has any length.
func TestLinkTruncation(t *testing.T) {
	for _, v := range linkVectors() {
		if v.expect != "" {
			continue
		}
		b := v.bytes()
		for size := range b {
			_, _, err := linkParsers()[v.parse](b[:size])
			if v.parse == "DATA" && size >= wire.DataBytesMin {
				if err != nil {
					t.Errorf("%s: %d bytes: %v", v.name, size, err)
				}
				continue
			}
			if !errors.Is(err, wire.ErrTruncated) {
				t.Errorf("%s: %d of %d bytes: %v, want ErrTruncated", v.name, size, len(b), err)
			}
		}
	}
}

// Messages take their own bytes and leave the others.
func TestMessagesInSequence(t *testing.T) {
	b := wire.Ping{Token: 1}.Append(nil)
	b = wire.Pong{Token: 2}.Append(b)
	b = wire.PathChallenge{Proof: [8]byte{3}}.Append(b)
	b = wire.PathResponse{Proof: [8]byte{4}}.Append(b)
	b = wire.Close{Code: 5}.Append(b)
	b = append(b, 0x10, 0x20)
	ping, b, err1 := wire.ParsePing(b)
	pong, b, err2 := wire.ParsePong(b)
	challenge, b, err3 := wire.ParsePathChallenge(b)
	response, b, err4 := wire.ParsePathResponse(b)
	closing, b, err5 := wire.ParseClose(b)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	if ping.Token != 1 || pong.Token != 2 || challenge.Proof[0] != 3 || response.Proof[0] != 4 || closing.Code != 5 {
		t.Error("a message lost its value")
	}
	if !bytes.Equal(b, []byte{0x10, 0x20}) {
		t.Errorf("left: %x", b)
	}
}

func TestAnswersAreNotLonger(t *testing.T) {
	hello, cookie := wire.Hello{}.Append(nil), wire.CookieReply{}.Append(nil)
	if len(hello) != wire.HelloBytes || len(cookie) != wire.CookieReplyBytes || len(cookie) > len(hello) {
		t.Errorf("HELLO of %d bytes is answered with %d", len(hello), len(cookie))
	}
	if wire.RespBytes > wire.InitBytes {
		t.Errorf("INIT of %d bytes is answered with %d", wire.InitBytes, wire.RespBytes)
	}
	if wire.DataBytesMin != 25 || wire.PayloadBytesMax != 1175 {
		t.Errorf("DATA adds %d bytes to at most %d", wire.DataBytesMin, wire.PayloadBytesMax)
	}
}

func TestLinkParsersDoNotAllocate(t *testing.T) {
	dst := make([]byte, 0, wire.DatagramBytesMax)
	hello, ping := wire.Hello{Version: 1}.Append(nil), wire.Ping{Token: 1}.Append(nil)
	for name, f := range map[string]func(){
		"ParseHello":   func() { _, _ = wire.ParseHello(hello) },
		"Hello.Append": func() { dst = wire.Hello{Version: 1}.Append(dst[:0]) },
		"ParseData":    func() { _, _, _ = wire.ParseData(hello) },
		"ParsePing":    func() { _, _, _ = wire.ParsePing(ping) },
		"refused":      func() { _, _, _ = wire.ParsePong(ping[:3]) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// No parser panics, none reads what another one wrote, and what is accepted is written again as it was, but for padding.
func FuzzLinkFormats(f *testing.F) {
	for _, v := range linkVectors() {
		f.Add(v.bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		accepted := 0
		for name, parse := range linkParsers() {
			before := bytes.Clone(b)
			_, again, err := parse(b)
			if !bytes.Equal(b, before) {
				t.Fatalf("%s altered its input", name)
			}
			if err != nil {
				continue
			}
			if name != "payload of INIT and RESP" {
				accepted++
			}
			if name == "HELLO" {
				clear(before[10:])
			}
			if !bytes.Equal(again, before) {
				t.Errorf("%s reads %x and writes %x", name, before, again)
			}
		}
		if accepted > 2 {
			t.Errorf("%x is accepted %d times", b, accepted)
		}
	})
}
