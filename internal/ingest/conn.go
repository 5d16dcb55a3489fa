// SPDX-License-Identifier: MIT

package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"
)

// A client is one connection to the source port.
type client struct {
	srv    *Server
	conn   *sourceConn
	r      *bufio.Reader
	remote string
}

func (s *Server) serveConn(ctx context.Context, raw net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	defer raw.Close() //nolint:errcheck // nothing is left to say to the peer
	if tcp, ok := raw.(interface{ SetReadBuffer(bytes int) error }); ok {
		_ = tcp.SetReadBuffer(receiveBuffer)
	}
	conn := &sourceConn{Conn: raw}
	c := &client{srv: s, conn: conn, r: bufio.NewReaderSize(conn, readBytes), remote: raw.RemoteAddr().String()}
	timeout := headTimeout
	for range requestsMax {
		_ = conn.SetReadDeadline(time.Now().Add(timeout))
		h, err := readHead(c.r)
		if err != nil {
			c.badHead(err)
			break
		}
		if !c.serve(ctx, h) {
			break
		}
		timeout = againTimeout
	}
	c.linger()
}

// serve answers one request and tells whether another may follow.
func (c *client) serve(ctx context.Context, h head) (again bool) {
	switch h.dialect {
	case dialectShoutcast:
		c.shoutcast(ctx, h)
		return false
	case dialectXAudio:
		c.xaudio(ctx, h)
		return false
	case dialectUltravox:
		c.ultravox()
		return false
	case dialectHTTP:
	}
	path, query := splitTarget(h.target)
	switch h.method {
	case "SOURCE", "PUT", "POST":
		if isUpdatePath(path) {
			return c.post(h, query)
		}
		return c.icecast(ctx, h, path)
	case "GET", "HEAD":
		return c.get(h, path, query)
	case "OPTIONS":
		c.reply(http.StatusOK, "Allow: OPTIONS, GET, HEAD, SOURCE, PUT, POST", "Connection: keep-alive")
		return true
	}
	c.reply(http.StatusMethodNotAllowed, "Allow: OPTIONS, GET, HEAD, SOURCE, PUT, POST")
	return false
}

// icecast takes a SOURCE, PUT or POST: a probe without a login, a refusal, or the source itself.
func (c *client) icecast(ctx context.Context, h head, mount string) (again bool) {
	if status := c.login(h, ""); status != 0 {
		return c.unauthorized(status) && !h.hasBody()
	}
	if own := c.srv.cfg.Mount; own != "" && !sameMount(mount, own) {
		c.refuse(http.StatusNotFound, fmt.Errorf("no mount %q here: set the tool's mount to %q", mount, own))
		return false
	}
	body, err := c.body(h)
	if err != nil {
		c.refuse(http.StatusNotImplemented, err)
		return false
	}
	ss := &session{kind: KindIcecast, mount: mount, agent: decodeText(h.fields["user-agent"], ""), remote: c.remote}
	ctx, err = c.srv.claim(ctx, ss)
	if err != nil {
		c.refuse(http.StatusForbidden, err)
		return false
	}
	defer c.srv.release(ss)
	// DarkIce knows "HTTP/1.0 200" only; whoever expects 100 gets both at once, as from Icecast.
	answer := "HTTP/1.0 200 OK\r\n\r\n"
	if h.expectsContinue() {
		answer = "HTTP/1.1 100 Continue\r\n\r\n" + answer
	}
	if c.neverReads(h) {
		c.srv.stream(ctx, ss, c.conn, body, h.fields)
		_ = c.write(answer)
		return false
	}
	if c.write(answer) == nil {
		c.srv.stream(ctx, ss, c.conn, body, h.fields)
	}
	return false
}

// neverReads knows ffmpeg's -legacy_icecast: it sends audio behind its header and closes with our answer unread, at which
// its kernel resets the connection and loses the last of the audio. So the answer waits for the end.
func (c *client) neverReads(h head) bool {
	if h.method != "SOURCE" || !strings.HasPrefix(h.fields["user-agent"], "Lavf/") {
		return false
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(unaskedTimeout))
	_, err := c.r.Peek(1)
	return err == nil
}

// body is the request's body without its framing.
func (c *client) body(h head) (io.Reader, error) {
	chunked, err := h.chunked()
	if err != nil {
		return nil, err
	}
	length, err := h.contentLength()
	switch {
	case err != nil:
		return nil, err
	case chunked:
		return httputil.NewChunkedReader(c.r), nil
	case length > 0:
		return io.LimitReader(c.r, length), nil
	}
	return c.r, nil
}

// xaudio takes an Icecast 1 source: "SOURCE password /mount" and x-audiocast-* lines.
func (c *client) xaudio(ctx context.Context, h head) {
	if status := c.try(h.password, c.srv.secret.match); status != 0 {
		_ = c.write("ERROR - Bad Password\r\n")
		return
	}
	mount := unescape(h.target)
	if own := c.srv.cfg.Mount; own != "" && !sameMount(mount, own) {
		_ = c.write("ERROR - Mount point not here\r\n")
		return
	}
	ss := &session{kind: KindXAudio, mount: mount, remote: c.remote}
	ctx, err := c.srv.claim(ctx, ss)
	if err != nil {
		c.note(err)
		_ = c.write("ERROR - Mount point taken\r\n")
		return
	}
	defer c.srv.release(ss)
	if c.write("OK\r\n") == nil {
		c.srv.stream(ctx, ss, c.conn, c.r, h.fields)
	}
}

// shoutcast takes a SHOUTcast v1 source. Liquidsoap and old DSP plug-ins wait for OK2, blank line included, before they send
// their icy-* lines.
func (c *client) shoutcast(ctx context.Context, h head) {
	if h.password == "" || h.password == "!POKE" || c.try(h.password, c.srv.secret.matchLine) != 0 {
		_ = c.write("invalid password\r\n")
		return
	}
	mount := c.srv.cfg.Mount
	if mount == "" {
		mount = "/"
	}
	ss := &session{kind: KindShoutcast, mount: mount, remote: c.remote}
	ctx, err := c.srv.claim(ctx, ss)
	if err != nil {
		c.note(err)
		_ = c.write("stream in use\r\n")
		return
	}
	defer c.srv.release(ss)
	if c.write("OK2\r\nicy-caps:11\r\n\r\n") != nil {
		return
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(headTimeout))
	fields := map[string]string{}
	if !audioFollows(c.r) {
		budget := headBytesMax
		if fields, err = readFields(c.r, &budget); err != nil {
			c.note(fmt.Errorf("read the icy header lines: %w", err))
			return
		}
	}
	ss.agent = decodeText(fields["user-agent"], "")
	c.srv.stream(ctx, ss, c.conn, c.r, fields)
}

// errUltravox answers tools that speak SHOUTcast v2.
var errUltravox = errors.New("SHOUTcast v2 is not supported: set the tool to SHOUTcast v1 (or Icecast 2)")

// ultravox refuses a SHOUTcast v2 source in its own framing: 5A, flags, type (the cipher request's), length, text, 00.
func (c *client) ultravox() {
	c.note(errUltravox)
	const text = "NAK:Version Error"
	_ = c.write("\x5A\x00\x10\x09" + string([]byte{0, byte(len(text))}) + text + "\x00")
}

// get answers titles and politely refuses the rest: butt polls for statistics every 3 s and takes any 404.
func (c *client) get(h head, path, query string) (again bool) {
	switch {
	case isUpdatePath(path):
		return c.update(h, query)
	case path == "/":
		c.refuseText(http.StatusNotFound, "This is Streamer's source port: point a broadcast tool at it.\n")
	default:
		c.reply(http.StatusNotFound)
	}
	return false
}

// post takes a title as a form: what libshout sends when it learns that there is POST.
func (c *client) post(h head, query string) (again bool) {
	length, err := h.contentLength()
	chunked, _ := h.chunked()
	if err != nil || chunked || length > headBytesMax {
		c.refuseText(http.StatusRequestEntityTooLarge, "want a form of at most 16 KiB with its Content-Length\n")
		return false
	}
	form := make([]byte, length)
	if _, err := io.ReadFull(c.r, form); err != nil {
		return false
	}
	spaced := strings.ReplaceAll(string(form), "+", "%20") // in a form, unlike in a query of these tools, + is a space
	return c.update(h, spaced+"&"+query)
}

func isUpdatePath(path string) bool { return path == "/admin/metadata" || path == "/admin.cgi" }

// update changes the title of the current source.
func (c *client) update(h head, query string) (again bool) {
	u := parseUpdate(query)
	if status := c.login(h, u.password); status != 0 {
		return c.unauthorized(status)
	}
	switch {
	case u.mode != "updinfo":
		c.refuseText(http.StatusBadRequest, "only mode=updinfo is supported\n")
	case !c.srv.retitle(u.mount, u.event):
		c.metadataReply(http.StatusBadRequest, "Source does not exist", 0)
	default:
		c.metadataReply(http.StatusOK, "Metadata update successful", 1)
	}
	return false
}

func (c *client) metadataReply(status int, message string, ok int) {
	body := fmt.Sprintf("<?xml version=\"1.0\"?>\n<iceresponse><message>%s</message><return>%d</return></iceresponse>\n",
		message, ok)
	c.replyBody(status, "text/xml", body)
}

// login checks the password of an HTTP request: Basic, or pass= as SHOUTcast tools send it. It returns 0 or the status
// to refuse with.
func (c *client) login(h head, pass string) (status int) {
	password, ok := basicPassword(h.fields["authorization"])
	switch {
	case ok:
		return c.try(password, c.srv.secret.match)
	case pass != "":
		return c.try(pass, c.srv.secret.matchLine)
	}
	return http.StatusUnauthorized // a probe without a login is no guess
}

// try checks a password, unless its sender has guessed too often.
func (c *client) try(password string, match func(string) bool) (status int) {
	addr := remoteAddr(c.conn.Conn)
	now := time.Now()
	if !c.srv.guesses.allow(addr, now) {
		return http.StatusTooManyRequests
	}
	if match(password) {
		return 0
	}
	c.srv.guesses.wrong(addr, now)
	c.note(errors.New("wrong password"))
	return http.StatusUnauthorized
}

// sameMount compares mounts as people write them: the slash in front may be missing.
func sameMount(a, b string) bool {
	return strings.TrimPrefix(unescape(a), "/") == strings.TrimPrefix(unescape(b), "/")
}
