// SPDX-License-Identifier: MIT

package ingest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// unauthorized answers status. After a 401 the connection stays open: Mixxx logs in on it.
func (c *client) unauthorized(status int) (again bool) {
	if status == http.StatusUnauthorized {
		c.reply(status, `WWW-Authenticate: Basic realm="Streamer"`, "Connection: keep-alive")
		return true
	}
	c.reply(status, "Retry-After: 30")
	return false
}

// badHead answers what could not be read as a request. Silence and closed connections need no answer.
func (c *client) badHead(err error) {
	switch {
	case errors.Is(err, errHeadLarge):
		c.refuse(http.StatusRequestHeaderFieldsTooLarge, err)
	case errors.Is(err, errHeadBinary):
		c.refuse(http.StatusBadRequest, err)
	}
}

// note logs and remembers why this client was refused.
func (c *client) note(err error) {
	c.srv.meter.fail(err)
	c.srv.cfg.Log.Warn("source refused", "remote", c.remote, "error", err)
}

func (c *client) refuse(status int, err error) {
	c.note(err)
	c.refuseText(status, err.Error()+"\n")
}

func (c *client) refuseText(status int, text string) {
	c.replyBody(status, "text/plain; charset=utf-8", text)
}

func (c *client) replyBody(status int, contentType, body string) {
	_ = c.write(fmt.Sprintf("HTTP/1.0 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), contentType, len(body), body))
}

// reply answers without a body.
func (c *client) reply(status int, fields ...string) {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.0 %d %s\r\nContent-Length: 0\r\n", status, http.StatusText(status))
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	b.WriteString("\r\n")
	_ = c.write(b.String())
}

func (c *client) write(text string) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := io.WriteString(c.conn, text)
	return err
}

// linger lets the last answer arrive: closing with unread bytes would reset the connection and lose it.
func (c *client) linger() {
	half, ok := c.conn.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	_, _ = io.CopyN(io.Discard, c.conn, lingerBytesMax)
}
