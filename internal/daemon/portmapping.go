// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"streamer/internal/node"
	"streamer/internal/portmap"
	"streamer/internal/web"
)

// portmapKeyFile holds 16 bytes, as hexadecimal digits, by which the router knows this machine again after a crash. Only the
// router ever sees what is made of them.
const (
	portmapKeyFile  = "portmap.key"
	portmapKeyBytes = 16
)

// portMapping asks the router for a port and tells the node what came of it.
type portMapping struct {
	loop *loop
	log  *slog.Logger
	port uint16
	dir  func() (string, error) // of the key

	paths func() ([]portmap.Path, error) // nil: this machine's

	mu     sync.Mutex
	asking bool
	report portmap.Report
}

func newPortMapping(l *loop, o *Options, port uint16, log *slog.Logger) *portMapping {
	return &portMapping{loop: l, log: log, port: port, dir: o.dataDir}
}

// run ends with ctx, and gives the port back.
func (m *portMapping) run(ctx context.Context) {
	secret, err := m.secret()
	if err != nil {
		m.log.Warn("the router will not know this machine again", keyError, err)
	}
	m.mu.Lock()
	m.asking = true
	m.mu.Unlock()
	portmap.Run(ctx, portmap.Options{
		Port: m.port, Secret: secret, Log: m.log, Paths: m.paths, OnChange: func(r portmap.Report) { m.change(ctx, r) },
	})
}

// secret reads the key, and makes it when there is none.
func (m *portMapping) secret() ([]byte, error) {
	dir, err := m.dir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, portmapKeyFile)
	b, err := os.ReadFile(path)
	if err == nil {
		b, err = hex.DecodeString(strings.TrimSpace(string(b)))
		if err == nil && len(b) != portmapKeyBytes {
			err = errors.New(path + " is damaged: remove it")
		}
		return b, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	b = make([]byte, portmapKeyBytes)
	_, _ = rand.Read(b) // never fails
	if err = makePrivateDir(dir); err != nil {
		return nil, err
	}
	return b, writeFileAtomic(path, []byte(hex.EncodeToString(b)+"\n"), 0o600, false)
}

// change tells the node.
func (m *portMapping) change(ctx context.Context, r portmap.Report) {
	m.mu.Lock()
	was := m.report
	m.report = r
	m.mu.Unlock()
	lost := false
	for _, f := range []struct{ was, is portmap.State }{{was.IPv4, r.IPv4}, {was.IPv6, r.IPv6}} {
		lost = lost || outside(f.was).IsValid() && outside(f.was) != outside(f.is)
		m.tell(f.was, f.is)
	}
	if lost { // of either family: the node forgets both, and is told of the one that is left
		m.command(ctx, node.MappedCommand{})
	}
	for _, s := range []portmap.State{r.IPv4, r.IPv6} {
		if a := outside(s); a.IsValid() {
			m.command(ctx, node.MappedCommand{Outside: a, Lifetime: s.Mapping.Lifetime})
		}
	}
}

// outside is where others reach this node, as far as the router knows.
func outside(s portmap.State) netip.AddrPort {
	if !s.Mapping.Public() {
		return netip.AddrPort{}
	}
	return s.Mapping.External
}

// tell logs what an operator wants to know.
func (m *portMapping) tell(was, is portmap.State) {
	switch {
	case is.Mapping.External == was.Mapping.External:
	case is.Mapping.External.IsValid():
		m.log.Info("the router keeps a port open", keyAddress, is.Mapping.External, keyProtocol, is.Mapping.Protocol)
	default:
		m.log.Info("the router keeps no port open any more", keyAddress, was.Mapping.External, keyError, is.Err)
	}
}

func (m *portMapping) command(ctx context.Context, c node.Command) {
	if err := m.loop.do(ctx, c); err != nil && !errors.Is(err, ErrStopped) && ctx.Err() == nil {
		m.log.Warn("mapping not passed on", keyError, err)
	}
}

// status says it in words.
func (m *portMapping) status() web.Portmap {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.asking {
		off := web.PortmapState{State: "off"}
		return web.Portmap{IPv4: off, IPv6: off}
	}
	return web.Portmap{IPv4: m.inWords(m.report.IPv4, "forward"), IPv6: m.inWords(m.report.IPv6, "open")}
}

// inWords says how one family stands; do is what an operator does with a port by hand.
func (m *portMapping) inWords(s portmap.State, do string) web.PortmapState {
	port := strconv.Itoa(int(m.port))
	a := s.Mapping.External
	w := web.PortmapState{State: "none"}
	if a.IsValid() {
		w.Protocol, w.External = string(s.Mapping.Protocol), a.String()
	}
	switch {
	case a.IsValid() && s.Mapping.Public():
		w.State, w.Words = "mapped", "The router keeps a port open for others: nothing to do."
	case a.IsValid():
		w.State = "inside"
		w.Words = "The router keeps a port open, but is itself behind another NAT, perhaps the provider's: others do not get through by it alone."
	case !s.Gateway.IsValid():
		w.Words = "There is no router in this network."
	case s.Err == nil:
		w.State, w.Words = "asking", "The router is being asked for a port."
	default:
		w.Words = "No port is open: " + s.Err.Error() + ". If others do not get through, switch on PCP, NAT-PMP or UPnP in its settings, or " +
			do + " UDP port " + port + " to this machine."
	}
	return w
}
