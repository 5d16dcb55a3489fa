// SPDX-License-Identifier: MIT

package identity

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a link. LinkBytesMax holds the longest link that the others allow, every byte of the name escaped.
const (
	LinkBytesMax     = 8192
	LinkNameBytesMax = 128
	LinkPeersMax     = 16

	hostBytesMax = 253 // RFC 1035: a name in text
)

// linkScheme begins every link.
const linkScheme = "streamerp2p:"

// ErrNotLink says that a text is no streamerp2p: link at all, as opposed to a wrong one.
var ErrNotLink = errors.New(`not a station link: it must begin with "streamerp2p:"`)

// A Link names a station: streamerp2p://STATIONID?name=NAME&peer=HOST:PORT&peer=... Name and Peers are hints from
// whoever wrote the link and prove nothing.
type Link struct {
	Station StationID
	Name    string   // at most LinkNameBytesMax bytes of UTF-8 without control characters; "" unknown
	Peers   []string // at most LinkPeersMax, each HOST:PORT; IPv6 as [ADDR]:PORT
}

// String is the link in text. ParseLink reads it back, provided that the fields keep their limits.
func (l Link) String() string {
	var b strings.Builder
	b.WriteString(linkScheme)
	b.WriteString("//")
	b.WriteString(l.Station.String())
	separator := byte('?')
	if l.Name != "" {
		b.WriteByte(separator)
		b.WriteString("name=")
		escapeValue(&b, l.Name)
		separator = '&'
	}
	for _, peer := range l.Peers {
		b.WriteByte(separator)
		b.WriteString("peer=")
		escapeValue(&b, peer)
		separator = '&'
	}
	return b.String()
}

// ParseLink reads a link as people paste and browsers pass it: space around it, a "/" after the id, capital letters in
// scheme and id, and parameters it does not know are accepted; streamerp2p:STATIONID too. Errors say what to do.
func ParseLink(s string) (Link, error) {
	s = strings.TrimSpace(s)
	if len(s) > LinkBytesMax {
		return Link{}, fmt.Errorf("station link is longer than %d bytes: copy it again", LinkBytesMax)
	}
	if len(s) < len(linkScheme) || !strings.EqualFold(s[:len(linkScheme)], linkScheme) {
		return Link{}, ErrNotLink
	}
	s, _, _ = strings.Cut(s[len(linkScheme):], "#")
	id, query, _ := strings.Cut(strings.TrimPrefix(s, "//"), "?")
	station, err := ParseStationID(strings.TrimSuffix(id, "/"))
	if err != nil {
		return Link{}, fmt.Errorf("station link: %w; copy the whole link", err)
	}
	link := Link{Station: station}
	for parameter := range strings.SplitSeq(query, "&") {
		if err := link.parameter(parameter); err != nil {
			return Link{}, fmt.Errorf("station link: %w", err)
		}
	}
	return link, nil
}

func (l *Link) parameter(s string) error {
	key, escaped, _ := strings.Cut(s, "=")
	if key != "name" && key != "peer" {
		return nil // from a later version
	}
	value, err := url.QueryUnescape(escaped)
	if err != nil {
		return fmt.Errorf("%s: %w: write %% as %%25", key, err)
	}
	if key == "name" {
		if l.Name != "" {
			return errors.New("name is given twice: leave one")
		}
		l.Name = value
		return checkName(value)
	}
	if len(l.Peers) == LinkPeersMax {
		return fmt.Errorf("more than %d peers: leave some out", LinkPeersMax)
	}
	l.Peers = append(l.Peers, value)
	return CheckPeer(value)
}

func checkName(name string) error {
	switch {
	case len(name) > LinkNameBytesMax:
		return fmt.Errorf("name is longer than %d bytes: shorten it", LinkNameBytesMax)
	case !utf8.ValidString(name):
		return errors.New("name is not UTF-8: write it in UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("name holds a control character: remove it")
	}
	return nil
}

// CheckPeer says what is wrong with HOST:PORT, where HOST is a DNS name, an IPv4 address or an IPv6 address in brackets.
// Nothing is resolved.
func CheckPeer(s string) error {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 {
		return fmt.Errorf("peer %q has no port: write HOST:PORT", clip(s))
	}
	host, port := s[:colon], s[colon+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '+' {
		return fmt.Errorf("peer %q: the port must be a number from 1 to 65535", clip(s))
	}
	if inner, bracketed := strings.CutPrefix(host, "["); bracketed {
		inner, closed := strings.CutSuffix(inner, "]")
		if addr, err := netip.ParseAddr(inner); err != nil || !closed || !addr.Is6() {
			return fmt.Errorf("peer %q: no IPv6 address is in the brackets", clip(s))
		}
		return nil
	}
	if strings.IndexByte(host, ':') >= 0 {
		return fmt.Errorf("peer %q: write an IPv6 address in brackets, [ADDRESS]:PORT", clip(s))
	}
	if len(host) == 0 || len(host) > hostBytesMax || strings.ContainsFunc(host, notInHost) {
		return fmt.Errorf("peer %q: HOST must be a DNS name or an address", clip(s))
	}
	return nil
}

func notInHost(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '.' || r == '_')
}

// clip keeps what an error quotes short.
func clip(s string) string {
	const bytesMax = 64
	if len(s) <= bytesMax {
		return s
	}
	return strings.ToValidUTF8(s[:bytesMax], "") + "..."
}

// escapeValue writes s as the value of a query parameter: unreserved characters (RFC 3986) and ":" stay.
func escapeValue(b *strings.Builder, s string) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~:", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&0xf])
		}
	}
}
