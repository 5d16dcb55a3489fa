// SPDX-License-Identifier: MIT

package ingest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
)

// Bounds of a playlist.
const (
	listBytesMax   = 1 << 20
	listEntriesMax = 10_000
	listDepthMax   = 4 // lists in lists
)

var (
	errHLS       = errors.New("an HLS stream, which is not supported: give an Icecast or SHOUTcast stream instead")
	errListEmpty = errors.New("the playlist names nothing to play")
	errListLarge = fmt.Errorf("the playlist is larger than %d bytes or names more than %d entries", listBytesMax, listEntriesMax)
)

// A listEntry is one thing that a playlist names. Place is a path or URL as written there, in its bytes; Title may be empty.
type listEntry struct {
	Place, Title string
	encoded      bool // Place is percent-encoded, as in xspf
}

// parseList reads a playlist of any kind that is in use (m3u, m3u8, pls, xspf), told apart by content.
func parseList(data []byte) ([]listEntry, error) {
	if len(data) > listBytesMax {
		return nil, errListLarge
	}
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	data = bytes.TrimLeft(data, " \t\r\n")
	var entries []listEntry
	var err error
	switch {
	case len(data) >= 10 && strings.EqualFold(string(data[:10]), "[playlist]"):
		entries = parsePLS(string(data))
	case len(data) > 0 && data[0] == '<':
		entries, err = parseXSPF(data)
	default:
		entries, err = parseM3U(string(data))
	}
	switch {
	case err != nil:
		return nil, err
	case len(entries) == 0:
		return nil, errListEmpty
	case len(entries) > listEntriesMax:
		return nil, errListLarge
	}
	return entries, nil
}

// lines yields the lines of s without their ends, LF, CRLF or CR.
func lines(s string) func(yield func(string) bool) {
	return strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\n' || r == '\r' })
}

func parseM3U(s string) ([]listEntry, error) {
	var entries []listEntry
	title := ""
	for line := range lines(s) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case strings.HasPrefix(line, "#EXT-X-"):
			return nil, errHLS
		case strings.HasPrefix(line, "#EXTINF:"):
			_, title, _ = strings.Cut(line, ",") // #EXTINF:seconds,title
		case line[0] == '#':
		default:
			if strings.ContainsRune(line, 0) {
				return nil, errors.New("not a playlist: it has zero bytes in it")
			}
			entries = append(entries, listEntry{Place: line, Title: strings.TrimSpace(title)})
			title = ""
		}
	}
	return entries, nil
}

// parsePLS takes entries in the order in which their numbers first appear.
func parsePLS(s string) []listEntry {
	var entries []listEntry
	byNumber := map[int]int{}
	at := func(number string) *listEntry {
		n, err := strconv.Atoi(number)
		if err != nil || len(entries) > listEntriesMax {
			return &listEntry{}
		}
		i, ok := byNumber[n]
		if !ok {
			i = len(entries)
			byNumber[n] = i
			entries = append(entries, listEntry{})
		}
		return &entries[i]
	}
	for line := range lines(s) {
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if number, ok := strings.CutPrefix(name, "file"); ok {
			at(number).Place = value
		} else if number, ok := strings.CutPrefix(name, "title"); ok {
			at(number).Title = value
		}
	}
	named := entries[:0]
	for _, e := range entries {
		if e.Place != "" {
			named = append(named, e)
		}
	}
	return named
}

// parseXSPF reads location, title and creator of each track; it keeps no tree, so depth costs nothing.
func parseXSPF(data []byte) ([]listEntry, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(charset string, r io.Reader) (io.Reader, error) {
		enc, err := htmlindex.Get(charset)
		if err != nil {
			return nil, fmt.Errorf("charset %q: %w", charset, err)
		}
		return enc.NewDecoder().Reader(r), nil
	}
	p := xspfParser{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p.entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the xspf playlist: %w", err)
		}
		if err := p.token(token); err != nil {
			return nil, err
		}
	}
}

type xspfParser struct {
	entries  []listEntry
	rooted   bool
	inTrack  bool
	element  string // the one that text belongs to
	location string
	title    string
	creator  string
}

func (p *xspfParser) token(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		if !p.rooted && t.Name.Local != "playlist" {
			return fmt.Errorf("not a playlist that is known: <%s>; use m3u, pls or xspf", cleanName(t.Name.Local))
		}
		p.rooted = true
		p.element = t.Name.Local
		if p.element == "track" {
			p.inTrack, p.location, p.title, p.creator = true, "", "", ""
		}
	case xml.CharData:
		switch {
		case !p.inTrack:
		case p.element == "location" && p.location == "":
			p.location = strings.TrimSpace(string(t))
		case p.element == "title":
			p.title += string(t)
		case p.element == "creator":
			p.creator += string(t)
		}
	case xml.EndElement:
		p.element = ""
		if t.Name.Local == "track" && p.inTrack {
			p.inTrack = false
			p.end()
		}
	}
	return nil
}

func (p *xspfParser) end() {
	if p.location == "" || len(p.entries) > listEntriesMax {
		return
	}
	title := strings.TrimSpace(p.title)
	if creator := strings.TrimSpace(p.creator); creator != "" && title != "" {
		title = creator + " - " + title
	}
	p.entries = append(p.entries, listEntry{Place: p.location, Title: title, encoded: true})
}

func cleanName(s string) string { return decodeText(s[:min(len(s), 32)], "") }
