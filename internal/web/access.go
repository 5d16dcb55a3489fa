// SPDX-License-Identifier: MIT

package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// TokenHeader is the request header that carries the node's token. A page of another site cannot set it without asking first
// (a CORS preflight), which is never granted, and it cannot read the token out of our page.
const TokenHeader = "X-Streamer-Token"

// policy lets the page load what this node serves, and nothing else: a station's text that came to be markup would not run.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
	"connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Why a request gets no answer.
const (
	refusedHost = iota
	refusedSite
	refusedPassword
	refusedToken
	refusedKinds
)

// refusals are their names in metrics.
var refusals = [refusedKinds]string{"host", "site", "password", "token"}

// A refusal is one of them, and what is said.
type refusal struct {
	why  int
	code int
	text string
}

// refused says why a request is refused; nil when it is not.
func (s *Server) refused(r *http.Request) *refusal {
	switch {
	case !s.hostAllowed(r.Host):
		return &refusal{refusedHost, http.StatusMisdirectedRequest, "this node does not answer under that name; use localhost, its IP address, " +
			"or a name that it was told"}
	case s.origin.Check(r) != nil || foreignRead(r):
		return &refusal{refusedSite, http.StatusForbidden, "another web site may not use this node"}
	case !s.passwordFits(r):
		return &refusal{refusedPassword, http.StatusUnauthorized, "this node is open to other machines and so wants a password, with any user name: " +
			"the one of --http-password, or the one that is in the file http-password of its data directory"}
	case !reads(r) && !same(r.Header.Get(TokenHeader), s.Token):
		return &refusal{refusedToken, http.StatusForbidden, "what changes something needs the token of this node in the header " + TokenHeader +
			": reload the page; programs find it in the file control-token of the node's data directory"}
	}
	return nil
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// passwordFits reports whether a request has the password, where there is one. Whether the node is alive is no secret.
func (s *Server) passwordFits(r *http.Request) bool {
	if s.Password == "" || r.URL.Path == "/healthz" {
		return true
	}
	_, password, _ := r.BasicAuth()
	return same(password, s.Password)
}

// same compares secrets in a time that says nothing about them, their lengths included.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// foreignRead reports whether a page of another site reads the API, the page with its token, or the state of the network. It
// would not see the answer, but that there is one, and it could keep event streams open.
func foreignRead(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate" &&
		!strings.HasPrefix(r.URL.Path, "/listen/") // which refuses them itself, its playlists aside
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
