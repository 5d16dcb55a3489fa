// SPDX-License-Identifier: MIT

package portmap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// A router at home answers within milliseconds, or is busy, or not there. RFC 6886 §3.1 begins with 250 ms and doubles;
// RFC 6887 §8.1.1 begins with 3 s, which is long for somebody who waits for sound.
const (
	firstTry = 250 * time.Millisecond
	tries    = 4 // 3.75 s in all
)

// errSilent says that nobody answered.
var errSilent = errors.New("no answer")

// exchange sends a request to the router's port for PCP and NAT-PMP, again and again, until take is content with an answer.
// Only the router's own datagrams are looked at.
func exchange(ctx context.Context, p Path, request []byte, take func([]byte) bool) error {
	conn, err := dialServer(ctx, p)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	b := make([]byte, responseBytesMax+1)
	for wait, n := firstTry, 0; n < tries; wait, n = 2*wait, n+1 {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		for ctx.Err() == nil {
			n, err := conn.Read(b)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return err // refused: nobody listens there
			}
			if take(b[:n]) {
				return nil
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return errSilent
}

func dialServer(ctx context.Context, p Path) (net.Conn, error) {
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Local, 0))}
	return d.DialContext(ctx, "udp", netip.AddrPortFrom(p.Gateway, serverPort).String())
}
