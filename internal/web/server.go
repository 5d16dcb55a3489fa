// SPDX-License-Identifier: MIT

package web

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Config is what a Server is made from.
type Config struct {
	Backend Backend
	Listen  http.Handler // of /listen/
	Log     *slog.Logger
	Hosts   []string // names under which the node may be asked, beside localhost and IP addresses

	Token    string // SECRET: who changes something shows it (TokenHeader); "": a new one is made
	Password string // SECRET: who asks anything shows it; "": nobody has to
}

// A Server serves the pages. Close ends what would otherwise last for ever.
type Server struct {
	Config
	mux    *http.ServeMux
	assets map[string]*asset
	origin *http.CrossOriginProtection
	events *hub
	no     [refusedKinds]atomic.Uint64 // refused requests
}

// NewServer makes a Server. Close it when its HTTP server has been shut down.
func NewServer(c Config) *Server {
	if c.Token == "" {
		c.Token = rand.Text()
	}
	s := &Server{Config: c, mux: http.NewServeMux(), origin: http.NewCrossOriginProtection()}
	s.assets = newAssets(s)
	s.events = newHub(s.look)
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
	return []route{
		{"GET", "/{$}", s.assets[pageFile]},
		{"GET", "/assets/{name...}", http.HandlerFunc(s.serveAsset)},
		{"", "/listen/", s.Listen},
		{"GET", "/api/v1/status", http.HandlerFunc(s.serveStatus)},
		{"GET", "/api/v1/stations", http.HandlerFunc(s.serveStations)},
		{"GET", "/api/v1/stations/{id}", http.HandlerFunc(s.serveStation)},
		{"GET", "/api/v1/stations/{id}/titles", http.HandlerFunc(s.serveTitles)},
		{"GET", "/api/v1/stations/{id}/qr.svg", http.HandlerFunc(s.serveQR)},
		{"GET", "/api/v1/settings", http.HandlerFunc(s.serveSettings)},
		{"PATCH", "/api/v1/settings", http.HandlerFunc(s.serveChangeSettings)},
		{"POST", "/api/v1/tune", http.HandlerFunc(s.serveTune)},
		{"DELETE", "/api/v1/tune/{id}", http.HandlerFunc(s.serveUntune)},
		{"POST", "/api/v1/measure", http.HandlerFunc(s.serveMeasure)},
		{"POST", "/api/v1/stop", http.HandlerFunc(s.serveStop)},
		{"GET", "/api/v1/events", http.HandlerFunc(s.serveEvents)},
		{"GET", "/api/v1/openapi.json", s.assets["openapi.json"]},
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
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Content-Security-Policy", policy)
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(answerTime)) // endless answers set their own; a recorder has none
	if no := s.refused(r); no != nil {
		s.no[no.why].Add(1)
		if no.code == http.StatusUnauthorized {
			h.Set("WWW-Authenticate", `Basic realm="Streamer", charset="UTF-8"`)
		}
		fail(w, no.code, no.text)
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		_ = control.SetReadDeadline(time.Now().Add(answerTime))
		r.Body = http.MaxBytesReader(w, r.Body, bodyBytesMax)
	}
	s.mux.ServeHTTP(w, r)
}
