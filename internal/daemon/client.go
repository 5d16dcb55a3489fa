// SPDX-License-Identifier: MIT

package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"streamer/internal/identity"
	"streamer/internal/web"
)

const (
	clientTime     = 10 * time.Second
	answerBytesMax = 16 << 20 // the station list is the largest answer
	goneEvery      = 50 * time.Millisecond
)

// ErrNoNode says that no node answers where a Client looked.
var ErrNoNode = errors.New("no node answers")

// A Client talks to the node that runs on this machine, over its HTTP address. Its methods may be called from any goroutine.
type Client struct {
	base     string
	password string
	http     *http.Client

	mu    sync.Mutex
	token string // of the node, once something was changed
}

// NewClient makes a client of the node at HOST:PORT or at an http URL. Close it.
func NewClient(addr string) *Client {
	base := strings.TrimSuffix(addr, "/")
	if !strings.Contains(base, "://") {
		base = "http://" + reachable(base)
	}
	return &Client{base: base, http: &http.Client{Transport: &http.Transport{}, Timeout: clientTime}}
}

// UsePassword sets what the node is shown from now on, as --http-password; call it before everything else. "" shows none.
func (c *Client) UsePassword(password string) { c.password = password }

// HasPassword reports whether there is one to show, which the node may or may not want.
func (c *Client) HasPassword() bool { return c.password != "" }

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// URL is the page's address.
func (c *Client) URL() string { return c.base + "/" }

// Get returns the JSON under a path such as "/api/v1/status", as it came.
func (c *Client) Get(ctx context.Context, path string) (json.RawMessage, error) {
	return c.do(ctx, http.MethodGet, path, nil)
}

// Status asks how the node is.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.decode(ctx, "/api/v1/status", &s)
}

// Stations asks what stations the node knows.
func (c *Client) Stations(ctx context.Context) (list []StationInfo, err error) {
	return list, c.decode(ctx, "/api/v1/stations", &list)
}

func (c *Client) decode(ctx context.Context, path string, v any) error {
	b, err := c.Get(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("the node at %s gave an answer that is not ours: %w", c.base, err)
	}
	return nil
}

// Tune asks the node to carry a station, as "listener" or "relay", or for a moment as "player".
func (c *Client) Tune(ctx context.Context, l identity.Link, role string) error {
	b, err := json.Marshal(map[string]string{"station": l.String(), "role": role})
	if err != nil {
		return fmt.Errorf("encode a request: %w", err)
	}
	_, err = c.do(ctx, http.MethodPost, "/api/v1/tune", b)
	return err
}

// Untune takes Tune back.
func (c *Client) Untune(ctx context.Context, id identity.StationID) error {
	_, err := c.do(ctx, http.MethodDelete, "/api/v1/tune/"+url.PathEscape(id.String()), nil)
	return err
}

// MeasureUpload asks the node to measure its upload on purpose; Status says what comes of it.
func (c *Client) MeasureUpload(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodPost, "/api/v1/measure", []byte("{}"))
	return err
}

// Stop asks the node to leave politely, and returns when it has gone.
func (c *Client) Stop(ctx context.Context) error {
	if _, err := c.do(ctx, http.MethodPost, "/api/v1/stop", []byte("{}")); err != nil {
		return err
	}
	tick := time.NewTicker(goneEvery)
	defer tick.Stop()
	for {
		c.http.CloseIdleConnections()
		if _, err := c.Get(ctx, "/healthz"); errors.Is(err, ErrNoNode) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the node was asked to stop but is still there: %w", context.Cause(ctx))
		}
	}
}

// do asks, with the node's token when it changes something.
func (c *Client) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	head := make(http.Header)
	if method != http.MethodGet {
		token, err := c.nodeToken(ctx)
		if err != nil {
			return nil, err
		}
		head.Set(web.TokenHeader, token)
	}
	return c.send(ctx, method, path, head, body)
}

// nodeToken gets the token as browsers do, out of the page: the file in a data directory may be that of another node.
func (c *Client) nodeToken(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == "" {
		page, err := c.send(ctx, http.MethodGet, "/", make(http.Header), nil)
		if err != nil {
			return "", err
		}
		if c.token, err = tokenIn(string(page)); err != nil {
			return "", fmt.Errorf("the node at %s: %w", c.base, err)
		}
	}
	return c.token, nil
}

func (c *Client) send(ctx context.Context, method, path string, head http.Header, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the node's address %s: %w", c.base, err)
	}
	req.Header = head
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.request(c.http, req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, answerBytesMax))
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrNoNode, c.base, err)
	}
	if res.StatusCode/100 != 2 {
		var said struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(b, &said) != nil || said.Error == "" {
			said.Error = res.Status
		}
		return nil, fmt.Errorf("the node at %s: %s", c.base, said.Error)
	}
	return b, nil
}

// request shows the password and waits for the head of the answer.
func (c *Client) request(via *http.Client, req *http.Request) (*http.Response, error) {
	if c.password != "" {
		req.SetBasicAuth("streamer", c.password)
	}
	res, err := via.Do(req)
	if err == nil {
		return res, nil
	}
	if ctx := req.Context(); ctx.Err() != nil {
		return nil, fmt.Errorf("ask the node at %s: %w", c.base, context.Cause(ctx))
	}
	return nil, fmt.Errorf("%w at %s (start one with `streamer`, or say where it is with --http): %w",
		ErrNoNode, c.base, errors.Unwrap(err))
}

// reachable is HOST:PORT with a host that one can connect to: a node that listens everywhere is here.
func reachable(hostPort string) string {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return hostPort
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
