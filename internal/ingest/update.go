// SPDX-License-Identifier: MIT

package ingest

import (
	"strings"

	"streamer/internal/codec"
)

// queryPairsMax bounds the parameters of one request; the rest is ignored.
const queryPairsMax = 32

// An update is what a metadata request asks (sources-players: /admin/metadata of Icecast, /admin.cgi of SHOUTcast).
type update struct {
	mode, mount, password string
	event                 codec.Event // track fields only
}

// splitTarget cuts a request target into path and query and decodes the path.
func splitTarget(target string) (path, query string) {
	// Proxies and some scripts send the absolute form.
	if rest, ok := cutScheme(target); ok {
		_, rest, _ = strings.Cut(rest, "/")
		target = "/" + rest
	}
	path, query, _ = strings.Cut(target, "?")
	return unescape(path), query
}

func cutScheme(target string) (string, bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			return target[len(scheme):], true
		}
	}
	return target, false
}

// parseUpdate reads the query of a metadata request. Artist and title win over the joined song; an artist alone is the
// title.
func parseUpdate(query string) update {
	var u update
	var song, charset string
	for range queryPairsMax {
		if query == "" {
			break
		}
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		value = unescape(value)
		switch strings.ToLower(unescape(name)) {
		case "mode":
			u.mode = value
		case "mount":
			u.mount = value
		case "pass":
			u.password = value
		case "charset":
			charset = value
		case "song":
			song = value
		case "title":
			u.event.Title = value
		case "artist":
			u.event.Artist = value
		case "album":
			u.event.Album = value
		}
	}
	song = decodeText(song, charset)
	u.event.Title = decodeText(u.event.Title, charset)
	u.event.Artist = decodeText(u.event.Artist, charset)
	u.event.Album = decodeText(u.event.Album, charset)
	switch {
	case u.event.Title != "" && u.event.Artist != "":
	case song != "":
		u.event.Title, u.event.Artist = song, ""
	case u.event.Title == "":
		u.event.Title, u.event.Artist = u.event.Artist, ""
	}
	return u
}

// unescape decodes %xx; a % that begins no such thing stays, as does everything else (tools escape as little as they like).
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
