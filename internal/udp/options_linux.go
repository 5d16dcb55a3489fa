// SPDX-License-Identifier: MIT

package udp

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// segmentsSupported reports whether the kernel knows UDP_SEGMENT.
func segmentsSupported(raw syscall.RawConn) bool {
	known := false
	err := raw.Control(func(fd uintptr) {
		_, err := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
		known = err == nil
	})
	return err == nil && known
}

// forceBuffers passes the system's limit where the user may (CAP_NET_ADMIN), and reports whether it did.
func forceBuffers(raw syscall.RawConn, bytes int) bool {
	var rcv, snd error
	err := raw.Control(func(fd uintptr) {
		rcv = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes)
		snd = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, bytes)
	})
	return err == nil && rcv == nil && snd == nil
}

// forbidBroadcast undoes what the net package allows: a host list may name a broadcast address.
func forbidBroadcast(raw syscall.RawConn) {
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0)
	})
}
