// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import "time"

// dropReason is why the router did not deliver a packet.
type dropReason uint8

const (
	dropNot     dropReason = iota
	dropLoss               // the line's dice
	dropQueue              // the line's queue was full
	dropDown               // the sender or the receiver was cut off
	dropNoRoute            // nobody has that address
	dropRefused            // the receiver's kernel did not take it
	dropReasons
)

// Counts are the packets of one direction of one host since it began, in IP packets and their bytes (IP header included).
// For the up direction Packets and Bytes are what the host sent, lost ones included; for the down direction what it got.
type Counts struct {
	Packets, Bytes uint64

	// Packets that did not arrive, counted where they were dropped.
	Lost, QueueFull, CutOff, NoRoute, Refused uint64
}

func (c *Counts) add(size int) {
	c.Packets++
	c.Bytes += uint64(size)
}

func (c *Counts) drop(why dropReason) {
	switch why {
	case dropLoss:
		c.Lost++
	case dropQueue:
		c.QueueFull++
	case dropDown:
		c.CutOff++
	case dropNoRoute:
		c.NoRoute++
	case dropRefused:
		c.Refused++
	case dropNot, dropReasons:
	}
}

// Sub returns what was counted since the earlier counts.
func (c Counts) Sub(earlier Counts) Counts {
	return Counts{
		Packets: c.Packets - earlier.Packets, Bytes: c.Bytes - earlier.Bytes,
		Lost: c.Lost - earlier.Lost, QueueFull: c.QueueFull - earlier.QueueFull, CutOff: c.CutOff - earlier.CutOff,
		NoRoute: c.NoRoute - earlier.NoRoute, Refused: c.Refused - earlier.Refused,
	}
}

// Traffic is what one host sent to another.
type Traffic struct {
	Packets uint64
	First   time.Time // of the first packet; the zero Time: there was none
}

// A meter finds the busiest window of what a host sends.
type meter struct {
	window time.Duration
	recent []sample // those of the last window, oldest first
	sum    int      // of recent
	max    int
}

type sample struct {
	at   int64
	size int
}

func (m *meter) add(now int64, size int) {
	keep := 0
	for keep < len(m.recent) && m.recent[keep].at <= now-int64(m.window) {
		m.sum -= m.recent[keep].size
		keep++
	}
	m.recent = append(m.recent[keep:], sample{now, size})
	m.sum += size
	m.max = max(m.max, m.sum)
}
