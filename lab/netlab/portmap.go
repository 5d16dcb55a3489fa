// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The chains that miniupnpd fills; the names are its own.
const (
	mapperChain     = "miniupnpd"
	mapperChainPre  = "prerouting_miniupnpd"
	mapperChainPost = "postrouting_miniupnpd"
)

const mapperStart = 10 * time.Second // for miniupnpd to serve, on a busy machine

// outsideRange is where the router's own addresses come from.
func (h *Home) outsideRange(move bool) addressRange {
	switch {
	case h.config.MapPorts && move:
		return rangeMappedMoved
	case h.config.MapPorts:
		return rangeMapped
	case move:
		return rangeMoved
	}
	return rangeFirst
}

// mappedPorts writes the chains of mapped ports, in the table that miniupnpd looks at.
func (r rules) mappedPorts(line func(string, ...any)) {
	line("chain %s { }", mapperChain)
	line("chain %s { }", mapperChainPre)
	line("chain %s { }", mapperChainPost)
	line("chain mapped {")
	line("type nat hook prerouting priority dstnat - 1; policy accept;")
	line("jump %s", mapperChainPre)
	line("}")
}

// startMapper runs miniupnpd on the router, and returns when it serves PCP, NAT-PMP and UPnP.
func (h *Home) startMapper() error {
	name := h.Name + " miniupnpd"
	config := filepath.Join(h.net.Dir, name+".conf")
	text := strings.Join([]string{
		"ext_ifname=" + wanDevice, "listening_ip=" + lanDevice, "uuid=11111111-2222-3333-4444-555555555555", "system_uptime=no",
		"enable_natpmp=yes", "enable_upnp=yes",
		fmt.Sprintf("allow 1024-65535 %v 1024-65535", h.lan), "deny 0-65535 0.0.0.0/0 0-65535", "",
	}, "\n")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	log := filepath.Join(h.net.Dir, name+".log")
	if err := os.Remove(log); err != nil && !errors.Is(err, fs.ErrNotExist) { // what an earlier one said
		return err
	}
	p, err := h.Router.Start(Command{Name: name, Args: []string{"miniupnpd", "-d", "-f", config, "-P", filepath.Join(h.net.Dir, name+".pid")}})
	if err != nil {
		return err
	}
	h.mapper = p
	for end := time.Now().Add(mapperStart); ; {
		said, _ := os.ReadFile(log) // it is there once it was started
		if strings.Contains(string(said), "Listening for NAT-PMP/PCP traffic") && strings.Contains(string(said), "HTTP listening on port") {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("home %s: miniupnpd ended: %s", h.Name, said)
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(end) {
			return fmt.Errorf("home %s: miniupnpd does not serve; it said: %s", h.Name, said)
		}
	}
}

// stopMapper ends miniupnpd as a power cut does.
func (h *Home) stopMapper() {
	if h.mapper != nil {
		h.mapper.Kill()
		h.mapper = nil
	}
}

// Maps asks the router of a host's home for a port by NAT-PMP (RFC 6886, section 3.3), and tells where it is outside and whether
// a stranger gets in there.
func (p *Prober) Maps(h *Host) (outside netip.AddrPort, open bool, err error) {
	c, err := h.ListenUDP(netip.AddrPortFrom(h.IPv4(), 0))
	if err != nil {
		return outside, false, err
	}
	defer func() { _ = c.Close() }()
	port := address(c).Port()
	home := h.Home()
	gateway := netip.AddrPortFrom(home.lan.Addr().Next(), 5351)
	// Version 0, UDP, 2 bytes that are zero, the inside port, the outside port that is wanted, seconds.
	ask := []byte{0, 1, 0, 0, byte(port >> 8), byte(port), byte(port >> 8), byte(port), 0, 0, 0, 60}
	answer := make([]byte, 100)
	for range 3 {
		if _, err := c.WriteToUDPAddrPort(ask, gateway); err != nil {
			return outside, false, err
		}
		_ = c.SetReadDeadline(time.Now().Add(probeWait))
		n, from, err := c.ReadFromUDPAddrPort(answer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		// Version 0, 128 and UDP, 2 bytes of result, 4 of the router's clock, the inside port, the outside port, 4 of seconds.
		if err != nil || n != 16 || from != gateway || answer[1] != 129 || answer[3] != 0 {
			return outside, false, fmt.Errorf("port %d: %v says %x: %w", port, from, answer[:n], err)
		}
		outside = netip.AddrPortFrom(home.Router.IPv4(), uint16(answer[10])<<8|uint16(answer[11]))
		open, err = passes(p.v4[0], c, outside, probeWait)
		return outside, open, err
	}
	return outside, false, fmt.Errorf("%v does not answer", gateway)
}
