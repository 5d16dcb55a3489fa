// SPDX-License-Identifier: MIT

package playback

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"streamer/internal/identity"
)

// hostBytesMax is the longest Host that goes into a playlist: a DNS name of 253 bytes and a port.
const hostBytesMax = 253 + len(":65535")

// errHost says that a playlist cannot name this node.
var errHost = errors.New("the Host of the request is not a host name or an IP address with or without a port")

// A playlist is one kind of playlist: what players that we tried take for it.
type playlist struct {
	mime string
	body func(url, title string) string
}

// cutPlaylist splits "ID.pls" into "ID" and the playlist; nil when name ends in none that is served.
func cutPlaylist(name string) (base string, kind *playlist) {
	base, extension, _ := strings.Cut(name, ".")
	switch extension {
	case "pls":
		return base, &playlist{"audio/x-scpls", plsBody}
	case "m3u":
		return base, &playlist{"audio/x-mpegurl", m3uBody}
	case "xspf":
		return base, &playlist{"application/xspf+xml", xspfBody}
	}
	return name, nil
}

func (h *Handler) servePlaylist(w http.ResponseWriter, r *http.Request, kind *playlist, id identity.StationID) {
	base, err := baseURL(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	title := ""
	if h.Name != nil {
		title = headerText(h.Name(id))
	}
	if title == "" {
		title = "Station " + id.Short()
	}
	body := kind.body(base+"/listen/"+id.String(), title)
	w.Header().Set("Content-Type", kind.mime)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write([]byte(body)) // the player has gone: nothing to do
}

// baseURL is how the client reached this node: "http://HOST:PORT". The Host goes into a file that other programs read, so
// it must be a plain one.
func baseURL(r *http.Request) (string, error) {
	if !validHost(r.Host) {
		return "", errHost
	}
	if r.TLS != nil {
		return "https://" + r.Host, nil
	}
	return "http://" + r.Host, nil
}

// validHost reports whether s is HOST or HOST:PORT, where HOST is a DNS name, an IPv4 address or an IPv6 address in
// brackets without a zone.
func validHost(s string) bool {
	if s == "" || len(s) > hostBytesMax {
		return false
	}
	host := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		port := s[i+1:]
		host = s[:i]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '+' {
			return false
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == ""
	}
	if host == "" {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, letters) != "" {
			return false
		}
	}
	return true
}

// letters are the characters of a DNS label as it is met in practice.
const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

func plsBody(url, title string) string {
	return fmt.Sprintf("[playlist]\nNumberOfEntries=1\nFile1=%s\nTitle1=%s\nLength1=-1\nVersion=2\n", url, title)
}

// m3uBody is the bare address, as Icecast has it: streamripper cannot parse #EXTM3U lines.
func m3uBody(url, _ string) string { return url + "\r\n" }

func xspfBody(url, title string) string {
	return xml.Header + `<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track><location>` + escapeXML(url) +
		`</location><title>` + escapeXML(title) + "</title></track></trackList></playlist>\n"
}

func escapeXML(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a Buffer takes everything
	return b.String()
}
