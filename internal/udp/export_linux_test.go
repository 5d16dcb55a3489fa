// SPDX-License-Identifier: MIT

package udp

// Control lets a test set a socket option that makes the kernel refuse what a device or a tunnel would.
func (c *Conn) Control(f func(fd uintptr)) error { return c.raw.Control(f) }

// SegmentsOff reports whether segmentation was given up for all peers.
func (c *Conn) SegmentsOff() bool { return c.noSegments.Load() }
