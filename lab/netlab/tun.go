// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Names of devices.
const (
	hostDevice = "net0" // of every host: a TUN device on the internet, virtual Ethernet in a home
	wanDevice  = "wan0" // of a home's router, outside
	lanDevice  = "lan0" // of a home's router, inside: a bridge
)

// openTUN makes the device in the calling thread's namespace and returns its other end, which does not block.
//
// Without IFF_VNET_HDR the kernel finishes checksums and segments large packets before it hands them over, so the router
// sees what a wire would carry.
func openTUN(device string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	ifr, err := unix.NewIfreq(device)
	if err != nil {
		return -1, err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("make TUN device: %w", err)
	}
	return fd, nil
}

// configureDevice sets up the loopback and the TUN device of the calling thread's namespace.
func configureDevice(device string, addrs []netip.Addr) error {
	script := []string{
		"link set lo up",
		"link set " + device + " addrgenmode none", // no link-local address: no router solicitations
		fmt.Sprintf("link set %s mtu %d txqueuelen 2000 up", device, packetBytesMax),
	}
	return runIP(append(script, addressLines("add", device, addrs)...))
}

// changeAddresses replaces the addresses of the calling thread's namespace. The old ones go first, as when a laptop leaves
// one network for another.
func changeAddresses(device string, old, addrs []netip.Addr) error {
	return runIP(append(addressLines("del", device, old), addressLines("add", device, addrs)...))
}

// addressLines are the ip commands that add or delete addresses. The kernel drops the default route with the last address,
// so each address brings it again.
func addressLines(verb, device string, addrs []netip.Addr) []string {
	var lines []string
	for _, a := range addrs {
		if !a.IsValid() {
			continue
		}
		line := fmt.Sprintf("addr %s %v/%d dev %s", verb, a, a.BitLen(), device)
		if verb == "del" {
			lines = append(lines, line)
			continue
		}
		everywhere := "0.0.0.0/0"
		if a.Is6() {
			line += " nodad" // usable at once
			everywhere = "::/0"
		}
		lines = append(lines, line, fmt.Sprintf("route replace %s dev %s", everywhere, device))
	}
	return lines
}

// runIP runs lines of ip(8) in the calling thread's namespace.
func runIP(lines []string) error {
	cmd := exec.CommandContext(context.Background(), "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip -batch: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
