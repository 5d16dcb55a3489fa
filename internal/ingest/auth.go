// SPDX-License-Identifier: MIT

package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Wrong passwords. An address may try guessBurst times at once and then once in guessRefill; a tool with a wrong password
// retries every 4 s and so is never shut out. IPv6 counts by /64.
const (
	guessBurst   = 10
	guessRefill  = 3 * time.Second
	guessAddrMax = 1024 // addresses remembered; when full, the one with the fewest guesses is forgotten
)

// A secret compares passwords in time that depends on neither of them.
type secret [sha256.Size]byte

func newSecret(password string) secret { return sha256.Sum256([]byte(password)) }

func (s secret) match(password string) bool {
	sum := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(s[:], sum[:]) == 1
}

// matchLine takes the password as SHOUTcast v1 tools send it: "pw", "pw:#sid", "user:pw" and "user:pw:#sid". The whole line
// comes first, so a password may hold ':' and '#'.
func (s secret) matchLine(line string) bool {
	bare, _, _ := cutLast(line, ":#")
	_, line1, _ := strings.Cut(line, ":")
	_, bare1, _ := strings.Cut(bare, ":")
	ok := false
	for _, candidate := range [...]string{line, bare, line1, bare1} {
		ok = s.match(candidate) || ok
	}
	return ok
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// basicPassword takes the password out of an Authorization field; any user name will do. ok says that one was given.
func basicPassword(field string) (password string, ok bool) {
	scheme, text, _ := strings.Cut(field, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", false
	}
	text = strings.TrimSpace(text)
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		raw, err = base64.RawStdEncoding.DecodeString(text)
	}
	if err != nil {
		return "", true // a login, and a wrong one
	}
	_, password, _ = strings.Cut(string(raw), ":")
	return password, true
}

// guesses counts wrong passwords by address.
type guesses struct {
	mu     sync.Mutex
	byAddr map[netip.Prefix]guess
}

type guess struct {
	used float64 // of guessBurst, as of at
	at   time.Time
}

func (g guess) now(now time.Time) float64 {
	return max(0, g.used-float64(now.Sub(g.at))/float64(guessRefill))
}

// allow says whether addr may try a password now.
func (g *guesses) allow(addr netip.Addr, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.byAddr[guessKey(addr)].now(now) <= guessBurst-1
}

// wrong notes a wrong password from addr.
func (g *guesses) wrong(addr netip.Addr, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byAddr == nil {
		g.byAddr = make(map[netip.Prefix]guess)
	}
	key := guessKey(addr)
	entry, known := g.byAddr[key]
	if !known && len(g.byAddr) >= guessAddrMax {
		g.forget(now)
	}
	g.byAddr[key] = guess{used: entry.now(now) + 1, at: now}
}

// forget drops every address that has its full burst again or, when there is none, the one nearest to it.
func (g *guesses) forget(now time.Time) {
	var best netip.Prefix
	least := float64(guessBurst + 1)
	for key, entry := range g.byAddr {
		used := entry.now(now)
		if used == 0 {
			delete(g.byAddr, key)
		}
		if used < least {
			best, least = key, used
		}
	}
	delete(g.byAddr, best)
}

func guessKey(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap()
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address, as for an in-memory connection: all such count as one
	}
	return prefix
}
