// SPDX-License-Identifier: MIT

package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"path"
	"strings"
	"time"
)

// Limits of http streams.
const (
	dialTimeout        = 10 * time.Second
	answerTimeout      = 15 * time.Second // for the header of the answer
	answerBytesMax     = 64 << 10         // of that header
	streamTriesMax     = 5                // without a single frame, then the next entry is played
	backoffFirst       = time.Second
	backoffMax         = 30 * time.Second
	sniffListBytes     = 512
	listTypes          = " audio/x-scpls audio/scpls application/pls+xml audio/mpegurl audio/x-mpegurl application/mpegurl application/x-mpegurl application/xspf+xml "
	hlsTypes           = " application/vnd.apple.mpegurl application/vnd.apple.mpegurl.audio "
	genericTypes       = "  text/plain application/octet-stream binary/octet-stream application/xml text/xml "
	foreignTypePrefix  = "text/html"
	userAgent          = "Streamer"
	retryableServerMin = 500
)

// errPermanent says that trying the same URL again is no use.
var errPermanent = errors.New("not playable")

// dialer opens a TCP connection, as net.Dialer.DialContext does.
type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// newWebClient makes a client for endless answers: no time limit on the whole, but on the header and on silence.
func newWebClient(dial dialer) *http.Client {
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &webConn{Conn: conn}, nil
		},
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  answerTimeout,
		MaxResponseHeaderBytes: answerBytesMax,
		DisableCompression:     true,
		DisableKeepAlives:      true,
	}}
}

// A webConn ends reads after SourceTimeout of silence, and lets net/http understand the answers of SHOUTcast servers.
type webConn struct {
	net.Conn
	begun bool
	ahead []byte // to be read before the connection
}

// icyStatus begins the answer of a SHOUTcast server.
const icyStatus = "ICY "

func (c *webConn) Read(p []byte) (int, error) {
	if !c.begun {
		c.begun = true
		head := make([]byte, len(icyStatus))
		_ = c.SetReadDeadline(time.Now().Add(SourceTimeout))
		n, err := io.ReadFull(c.Conn, head)
		c.ahead = head[:n]
		if string(c.ahead) == icyStatus {
			c.ahead = []byte("HTTP/1.0 ")
		}
		if err != nil && n == 0 {
			return 0, err
		}
	}
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	_ = c.SetReadDeadline(time.Now().Add(SourceTimeout))
	return c.Conn.Read(p)
}

// An answer is what a URL turned out to be: a list, or a stream to read and close.
type answer struct {
	list   []entry
	body   io.ReadCloser
	header http.Header
	live   bool // it has no end of its own
}

// fetch asks for a URL. Errors that wrap errPermanent are not worth another try.
func (p *Player) fetch(ctx context.Context, e entry) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.place, nil)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", errPermanent, err)
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Icy-MetaData", "1")
	resp, err := p.web.Do(req)
	if err != nil {
		return answer{}, err
	}
	a, err := p.readAnswer(resp, e)
	if err != nil || a.body == nil {
		_ = resp.Body.Close()
	}
	return a, err
}

func (p *Player) readAnswer(resp *http.Response, e entry) (answer, error) {
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
	case code >= retryableServerMin, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout,
		code == http.StatusNotFound: // a mount without a source right now
		return answer{}, fmt.Errorf("the server says %s", resp.Status)
	default:
		return answer{}, fmt.Errorf("%w: the server says %s", errPermanent, resp.Status)
	}
	contentType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	spaced := " " + contentType + " "
	switch {
	case strings.Contains(hlsTypes, spaced):
		return answer{}, fmt.Errorf("%w: %w", errPermanent, errHLS)
	case contentType == foreignTypePrefix:
		return answer{}, fmt.Errorf("%w: a web page, not a stream: give the address of the stream itself", errPermanent)
	case strings.Contains(listTypes, spaced),
		strings.Contains(genericTypes, spaced) && hasExtension(path.Base(resp.Request.URL.Path), listExtensions):
		list, err := readList(resp, e.depth+1)
		return answer{list: list}, err
	}
	return answer{
		body: resp.Body, header: resp.Header,
		live: resp.ContentLength < 0,
	}, nil
}

// readList reads a playlist that a server sent.
func readList(resp *http.Response, depth int) ([]entry, error) {
	if depth > listDepthMax {
		return nil, fmt.Errorf("%w: lists in lists more than %d deep", errPermanent, listDepthMax)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, listBytesMax+1))
	if err != nil {
		return nil, err
	}
	named, err := parseList(bytes.TrimRight(data, "\x00"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPermanent, err)
	}
	entries := remoteEntries(resp.Request.URL, named, depth)
	if len(entries) == 0 {
		return nil, fmt.Errorf("%w: %w", errPermanent, errListEmpty)
	}
	return entries, nil
}

// headerFields makes lower-case fields of an answer's header, as stationInfo takes them.
func headerFields(h http.Header) map[string]string {
	fields := make(map[string]string, len(h))
	for name, values := range h {
		fields[strings.ToLower(name)] = values[0]
	}
	return fields
}

// backoff is how long to wait before the n-th try in a row, n from 1.
func backoff(n int) time.Duration {
	d := backoffFirst << min(n-1, 10)
	return min(d, backoffMax)
}
