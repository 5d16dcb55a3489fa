// SPDX-License-Identifier: MIT

//go:build lab && linux

package page

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// between stands between a browser and a node. What the node says in its event stream goes through events, until that returns; the API's
// other answers go through each of answers. All else is as the node has it.
func between(t *testing.T, nd *node, events func(from io.Reader, to io.Writer) error, answers ...func([]byte) []byte) string {
	t.Helper()
	to, err := url.Parse(nd.ready.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1, // at once
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = to.Host
			if r.In.Header.Get("Origin") != "" {
				r.Out.Header.Set("Origin", "http://"+to.Host)
			}
			if strings.HasPrefix(r.In.URL.Path, "/api/") {
				r.Out.Header.Set("Accept-Encoding", "identity")
			}
		},
		ModifyResponse: func(r *http.Response) error {
			body := r.Body
			switch {
			case r.Header.Get("Content-Type") == "text/event-stream":
				out, in := io.Pipe()
				go func() { // until the browser or the node closes the stream
					_ = in.CloseWithError(events(body, in)) // always nil
				}()
				r.Body = both{out, body, out}
			case strings.HasPrefix(r.Request.URL.Path, "/api/"):
				b, err := io.ReadAll(body)
				if err != nil {
					return err
				}
				for _, change := range answers {
					b = change(b)
				}
				r.Body, r.ContentLength = both{bytes.NewReader(b), body, body}, int64(len(b))
				r.Header.Del("Content-Length")
			}
			return nil
		},
	})
	t.Cleanup(s.Close)
	return s.URL
}

// both reads one and closes two others.
type both struct {
	io.Reader
	first, second io.Closer
}

func (b both) Close() error {
	err := b.first.Close()
	_ = b.second.Close() // it may be the first
	return err
}

// eachLine gives each line, its end included, to take, until there are no more or take has had enough.
func eachLine(r io.Reader, take func([]byte) bool) {
	lines := bufio.NewReader(r)
	for {
		b, err := lines.ReadBytes('\n')
		if len(b) > 0 && !take(b) || err != nil {
			return
		}
	}
}
