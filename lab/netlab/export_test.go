// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import "time"

// Path gives the tests a line without a network.
type Path struct{ p *path }

func NewPath(seed uint64, name string, line Line) Path { return Path{newPath(seed, name, line)} }

// Pass tells when and how often a packet leaves the line; copies is 0 for a dropped one.
func (p Path) Pass(now time.Duration, size int) (due time.Duration, copies int) {
	f := p.p.pass(int64(now), size)
	return time.Duration(f.due), f.copies
}

// ObserveLateness calls f, on the router's thread, with the lateness of each delivery.
func (n *Network) ObserveLateness(f func(time.Duration)) {
	n.router.mu.Lock()
	defer n.router.mu.Unlock()
	n.router.late = f
}

// Add notes that the machine stood still.
func (s *Stalls) Add(from, to time.Time) { s.list = append(s.list, stall{from, to}) }
