// SPDX-License-Identifier: MIT

package identity_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"streamer/internal/identity"
)

// station is the id in the links below.
func station() (identity.StationID, string) {
	id := identity.StationID{0x13, 0x37}
	return id, id.String()
}

func TestParseLink(t *testing.T) {
	id, s := station()
	for _, c := range []struct {
		text  string
		name  string
		peers []string
	}{
		{"streamerp2p://" + s, "", nil},
		{"streamerp2p:" + s, "", nil},
		{"streamerp2p://" + s + "/", "", nil},
		{"  streamerp2p://" + s + "/?\n", "", nil},
		{"STREAMERP2P://" + strings.ToUpper(s) + "#top", "", nil},
		{"streamerp2p://" + s + "?name=Radio+%C3%9Cber%20%26%20Co", "Radio Über & Co", nil},
		{"streamerp2p://" + s + "?peer=192.0.2.1:8466&name=x&peer=[2001:db8::1]:1&peer=seed.example.org:65535", "x", []string{"192.0.2.1:8466", "[2001:db8::1]:1", "seed.example.org:65535"}},
		{"streamerp2p://" + s + "?peer=%5Bfe80::1%25eth0%5D:8466&later=1", "", []string{"[fe80::1%eth0]:8466"}},
	} {
		got, err := identity.ParseLink(c.text)
		want := identity.Link{Station: id, Name: c.name, Peers: c.peers}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", c.text, got, err, want)
		}
		if again, err := identity.ParseLink(got.String()); err != nil || !reflect.DeepEqual(again, want) {
			t.Errorf("%q is written as %q: %+v, %v", c.text, got, again, err)
		}
	}
}

func TestLinkText(t *testing.T) {
	id, s := station()
	link := identity.Link{Station: id, Name: "Radio Über & Co", Peers: []string{"192.0.2.1:8466", "[2001:db8::1]:8466"}}
	want := "streamerp2p://" + s + "?name=Radio%20%C3%9Cber%20%26%20Co&peer=192.0.2.1:8466&peer=%5B2001:db8::1%5D:8466"
	if got := link.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := (identity.Link{Station: id}).String(); got != "streamerp2p://"+s {
		t.Errorf("got %s", got)
	}
}

// The longest link that the limits allow is accepted.
func TestLongestLink(t *testing.T) {
	id, _ := station()
	link := identity.Link{Station: id, Name: strings.Repeat("ÿ", identity.LinkNameBytesMax/2)}
	for range identity.LinkPeersMax {
		link.Peers = append(link.Peers, strings.Repeat("h", 253)+":65535")
	}
	text := link.String()
	if got, err := identity.ParseLink(text); err != nil || !reflect.DeepEqual(got, link) {
		t.Errorf("%d bytes: %v", len(text), err)
	}
}

func TestParseLinkRefusals(t *testing.T) {
	_, s := station()
	for _, text := range []string{"", "streamerp2p", "http://" + s, s, "streamerp2p//" + s, "\x00streamerp2p:" + s} {
		if _, err := identity.ParseLink(text); !errors.Is(err, identity.ErrNotLink) {
			t.Errorf("%q: %v, want ErrNotLink", text, err)
		}
	}
	peer := func(p string) string { return "streamerp2p://" + s + "?peer=" + p }
	for _, c := range []struct{ text, want string }{
		{"streamerp2p://", "must have 52 characters; copy the whole link"},
		{"streamerp2p://" + s[:40], "must have 52 characters; copy the whole link"},
		{"streamerp2p://" + s + "/listen", "must have 52 characters"},
		{"streamerp2p:///" + s, "must have 52 characters"},
		{"streamerp2p://" + s[:51] + "!", "letters a-z and the digits 2-7"},
		{"streamerp2p://" + s + "?name=a&name=b", "name is given twice: leave one"},
		{"streamerp2p://" + s + "?name=50%", "write % as %25"},
		{"streamerp2p://" + s + "?name=%FF", "name is not UTF-8"},
		{"streamerp2p://" + s + "?name=a%0Ab", "control character: remove it"},
		{"streamerp2p://" + s + "?name=" + strings.Repeat("n", 129), "longer than 128 bytes: shorten it"},
		{"streamerp2p://" + s + "?" + strings.Repeat("x", identity.LinkBytesMax), "longer than 8192 bytes"},
		{peer(strings.Repeat("h:1&peer=", 16) + "h:1"), "more than 16 peers"},
		{peer(""), "has no port: write HOST:PORT"},
		{peer("192.0.2.1"), "has no port: write HOST:PORT"},
		{peer("192.0.2.1:"), "the port must be a number from 1 to 65535"},
		{peer("192.0.2.1:0"), "the port must be a number from 1 to 65535"},
		{peer("192.0.2.1:65536"), "the port must be a number from 1 to 65535"},
		{peer("192.0.2.1:%2B80"), "the port must be a number from 1 to 65535"},
		{peer(":8466"), "HOST must be a DNS name or an address"},
		{peer("a%20b:8466"), "HOST must be a DNS name or an address"},
		{peer(strings.Repeat("h", 254) + ":1"), "HOST must be a DNS name or an address"},
		{peer("2001:db8::1:8466"), "write an IPv6 address in brackets"},
		{peer("[192.0.2.1]:8466"), "no IPv6 address is in the brackets"},
		{peer("[2001:db8::1:8466"), "no IPv6 address is in the brackets"},
		{peer("[]:8466"), "no IPv6 address is in the brackets"},
	} {
		if link, err := identity.ParseLink(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %+v, %v, want %q", c.text, link, err, c.want)
		}
	}
}

// Nothing panics, and what is accepted keeps the limits and comes back when it is written.
func FuzzParseLink(f *testing.F) {
	_, s := station()
	f.Add("streamerp2p:" + s)
	f.Add("streamerp2p://" + s + "/?name=Radio%20%C3%9C&peer=192.0.2.1:8466&peer=[2001:db8::1]:1#x")
	f.Add(" STREAMERP2P://" + s + "?peer=a.b:1&&=&name=")
	f.Fuzz(func(t *testing.T, text string) {
		link, err := identity.ParseLink(text)
		if err != nil {
			if !reflect.DeepEqual(link, identity.Link{}) {
				t.Errorf("%q: a link beside %v", text, err)
			}
			return
		}
		if len(link.Name) > identity.LinkNameBytesMax || len(link.Peers) > identity.LinkPeersMax {
			t.Errorf("%q: %+v is too large", text, link)
		}
		again, err := identity.ParseLink(link.String())
		if err != nil || !reflect.DeepEqual(again, link) {
			t.Errorf("%q becomes %q: %+v, %v", text, link.String(), again, err)
		}
	})
}
