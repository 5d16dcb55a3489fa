// SPDX-License-Identifier: MIT

package ingest

import (
	"bufio"
	"context"
	"io"
	"net"
)

// What the tests of the parsers reach for; the rest goes through the exported API.
var (
	ParseList        = parseList
	ParseStreamTitle = parseStreamTitle
	FileTitle        = fileTitle
	DecodeText       = decodeText
	ClaimedBitrate   = claimedBitrate
	SplitTarget      = splitTarget
)

// Limits that tests count on.
const (
	HeadBytesMax   = headBytesMax
	ListBytesMax   = listBytesMax
	ListEntriesMax = listEntriesMax
	ConnsMax       = connsMax
	AheadMax       = aheadMax
)

// ParseHead reads a request head and, of a chunked or sized one, the body.
func ParseHead(r io.Reader) (fields map[string]string, body []byte, err error) {
	c := &client{r: bufio.NewReaderSize(r, readBytes)}
	h, err := readHead(c.r)
	if err != nil {
		return nil, nil, err
	}
	audio, err := c.body(h)
	if err != nil {
		return h.fields, nil, err
	}
	body, err = io.ReadAll(audio)
	return h.fields, body, err
}

// ParseUpdate reads the query of a metadata request.
func ParseUpdate(query string) (mode, mount, artist, title string) {
	u := parseUpdate(query)
	return u.mode, u.mount, u.event.Artist, u.event.Title
}

// ServeConn serves one connection.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) { s.serveConn(ctx, conn) }
