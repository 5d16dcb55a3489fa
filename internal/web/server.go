// SPDX-License-Identifier: MIT

package web

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

// Config is what a Server is made from.
type Config struct {
	Backend Backend
	Listen  http.Handler // of /listen/
	Log     *slog.Logger
	Hosts   []string // names under which the node may be asked, beside localhost and IP addresses
}

// A Server serves the pages. Close ends what would otherwise last for ever.
type Server struct {
	Config
	mux    *http.ServeMux
	origin *http.CrossOriginProtection
	events *hub
}

// NewServer makes a Server. Close it when its HTTP server has been shut down.
func NewServer(c Config) *Server {
	s := &Server{Config: c, mux: http.NewServeMux(), origin: http.NewCrossOriginProtection()}
	s.events = newHub(s.snapshotEvents)
	for _, r := range s.routes() {
		s.mux.Handle(strings.TrimSpace(r.method+" "+r.path), r.handler)
	}
	return s
}

// A route is one entry of the API. Those with a description are in openapi.json.
type route struct {
	method, path string
	handler      http.Handler
}

func (s *Server) routes() []route {
	static, err := fs.Sub(assets, "assets")
	if err != nil {
		panic("web: " + err.Error()) // embedded: cannot fail
	}
	file := func(name, mime string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", mime)
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, static, name)
		})
	}
	return []route{
		{"GET", "/{$}", file("page.html", "text/html; charset=utf-8")},
		{"GET", "/assets/page.js", file("page.js", "text/javascript; charset=utf-8")},
		{"GET", "/assets/page.css", file("page.css", "text/css; charset=utf-8")},
		{"GET", "/assets/icon.svg", file("icon.svg", "image/svg+xml")},
		{"", "/listen/", s.Listen},
		{"GET", "/api/v1/status", http.HandlerFunc(s.serveStatus)},
		{"GET", "/api/v1/stations", http.HandlerFunc(s.serveStations)},
		{"GET", "/api/v1/stations/{id}", http.HandlerFunc(s.serveStation)},
		{"POST", "/api/v1/tune", http.HandlerFunc(s.serveTune)},
		{"DELETE", "/api/v1/tune/{id}", http.HandlerFunc(s.serveUntune)},
		{"POST", "/api/v1/measure", http.HandlerFunc(s.serveMeasure)},
		{"POST", "/api/v1/stop", http.HandlerFunc(s.serveStop)},
		{"GET", "/api/v1/events", http.HandlerFunc(s.serveEvents)},
		{"GET", "/api/v1/openapi.json", file("openapi.json", "application/json")},
		{"GET", "/netstatus", http.HandlerFunc(s.serveNetStatus)},
		{"GET", "/netstatus.json", http.HandlerFunc(s.serveNetStatusJSON)},
		{"GET", "/metrics", http.HandlerFunc(s.serveMetrics)},
		{"GET", "/healthz", http.HandlerFunc(s.serveHealth)},
	}
}

// HTTPServer returns a server for s. Audio and events last for ever, so it has no write timeout: every answer sets its own.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerBytesMax,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetWriteBuffer(socketWriteBytes) // the kernel's own choice serves too
			}
			return ctx
		},
	}
}

// Changed says that the Backend has news that should not wait for the next look, such as a title. It never blocks.
func (s *Server) Changed() { s.events.poke() }

// Close ends all event streams, and waits until they have.
func (s *Server) Close() { s.events.close() }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(answerTime)) // endless answers set their own; a recorder has none
	switch {
	case !s.hostAllowed(r.Host):
		fail(w, http.StatusMisdirectedRequest, "this node does not answer under that name; use localhost, its IP address, "+
			"or a name that it was told")
	case s.origin.Check(r) != nil || foreignRead(r):
		fail(w, http.StatusForbidden, "another web site may not use this node")
	default:
		if r.Body != nil && r.Body != http.NoBody {
			_ = control.SetReadDeadline(time.Now().Add(answerTime))
			r.Body = http.MaxBytesReader(w, r.Body, bodyBytesMax)
		}
		s.mux.ServeHTTP(w, r)
	}
}

// foreignRead reports whether a page of another site reads the API or the state of the network. It would not see the answer,
// but that there is one, and it could keep event streams open.
func foreignRead(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate" &&
		(strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/netstatus"))
}

// hostAllowed reports whether a request was meant for this node. A site that has its own name point at 127.0.0.1 (DNS
// rebinding) could otherwise act as our page; it cannot do so with an IP address.
func (s *Server) hostAllowed(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	return slices.ContainsFunc(s.Hosts, func(name string) bool { return strings.EqualFold(name, host) })
}
