// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readsPerTurn bounds what one host may send before the others get their turn.
	readsPerTurn = 32
	// packetsMax bounds what is on its way: 75 MB.
	packetsMax = 50_000
	// routerSlice is the least that Linux allows: who asks for little comes soon (EEVDF).
	routerSlice = 100 * time.Microsecond
)

// A router is the internet: one thread that owns the packets on their way.
type router struct {
	began time.Time
	wake  int // eventfd: something changed

	mu      sync.Mutex // guards all below, and the lines and counts of the hosts
	hosts   []*Host
	routes  map[netip.Addr]*Host
	due     dueHeap
	pool    []*packet
	stop    bool
	late    func(time.Duration) // told how late each packet was delivered; nil: nobody asks
	stopped chan struct{}
}

func newRouter() (*router, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	r := &router{began: time.Now(), wake: wake, routes: map[netip.Addr]*Host{}, stopped: make(chan struct{})}
	failed := make(chan error, 1)
	go r.run(failed)
	return r, <-failed
}

// now is the router's clock: nanoseconds since it began.
func (r *router) now() int64 { return int64(time.Since(r.began)) }

// kick makes the router look again at its hosts.
func (r *router) kick() {
	one := [8]byte{1}
	_, _ = unix.Write(r.wake, one[:]) // full means that it is awake anyway
}

// close ends the router and waits for it.
func (r *router) close() {
	r.mu.Lock()
	r.stop = true
	r.mu.Unlock()
	r.kick()
	<-r.stopped
	_ = unix.Close(r.wake)
}

// run forwards until close. Its thread comes first among those of usual priority, in small slices: otherwise a busy machine holds
// single packets up by more than 100 ms. It is no real-time thread, which Go's runtime does not allow for: to leave a system call a
// thread may have to wait, running, for another that looks at its stack; where that one waits for the same core, the core stands still
// until Linux takes it away from real-time threads, after 950 ms.
func (r *router) run(failed chan<- error) {
	defer close(r.stopped)
	runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
	err := unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: -20, Runtime: uint64(routerSlice), Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}, 0)
	if err != nil {
		failed <- fmt.Errorf("raise the priority of the router: %w", err)
		return
	}
	failed <- nil

	var fds []unix.PollFd
	var ready []*Host
	for {
		r.mu.Lock()
		if r.stop {
			r.mu.Unlock()
			return
		}
		fds = append(fds[:0], unix.PollFd{Fd: int32(r.wake), Events: unix.POLLIN})
		ready = append(ready[:0], r.hosts...)
		for _, h := range ready {
			fds = append(fds, unix.PollFd{Fd: int32(h.tun), Events: unix.POLLIN})
		}
		timeout := r.timeout()
		r.mu.Unlock()

		n, err := unix.Ppoll(fds, timeout, nil)
		if err != nil && err != unix.EINTR {
			panic(fmt.Sprintf("netlab: ppoll: %v", err))
		}
		r.mu.Lock()
		if n > 0 {
			if fds[0].Revents != 0 {
				var count [8]byte
				_, _ = unix.Read(r.wake, count[:])
			}
			for i, h := range ready {
				if fds[i+1].Revents&unix.POLLIN != 0 && h.tun >= 0 {
					r.receive(h)
				}
			}
		}
		r.deliver()
		r.mu.Unlock()
	}
}

// timeout is how long the router may sleep; nil is until something comes.
func (r *router) timeout() *unix.Timespec {
	if len(r.due.packets) == 0 {
		return nil
	}
	t := unix.NsecToTimespec(max(0, r.due.packets[0].due-r.now()))
	return &t
}

// receive takes packets that a host sent.
func (r *router) receive(h *Host) {
	for range readsPerTurn {
		p := r.take()
		size, err := unix.Read(h.tun, p.data[:])
		if err != nil || size <= 0 { // EAGAIN: no more
			r.give(p)
			return
		}
		p.size, p.from, p.to = size, h, nil
		dst, ok := destination(p.data[:size])
		if !ok || !forwards(dst) {
			r.give(p)
			continue
		}
		now := r.now()
		h.sent.add(size)
		if h.meter != nil {
			h.meter.add(now, size)
		}
		if p.to = r.routes[dst]; p.to != nil {
			to := h.sentTo[p.to]
			if to.Packets++; to.Packets == 1 {
				to.First = time.Now()
			}
			h.sentTo[p.to] = to
		}
		switch {
		case h.cut:
			h.sent.drop(dropDown)
			r.give(p)
		case p.to == nil:
			h.sent.drop(dropNoRoute)
			r.give(p)
		default:
			r.enter(now, p, stageUp)
		}
	}
}

// deliver moves all packets on whose time has come.
func (r *router) deliver() {
	now := r.now()
	for len(r.due.packets) > 0 && r.due.packets[0].due <= now {
		p := r.due.pop()
		if p.stage == stageUp {
			// The down line sees it when it left the up line, not when this thread got round to it.
			r.enter(p.due, p, stageDown)
			continue
		}
		if r.late != nil {
			r.late(time.Duration(now - p.due))
		}
		r.arrive(p)
	}
}

// enter puts a packet on a line at the time at.
func (r *router) enter(at int64, p *packet, s stage) {
	line, counts := p.from.up, &p.from.sent
	if s == stageDown {
		line, counts = p.to.down, &p.to.received
	}
	f := line.pass(at, p.size)
	if f.drop != dropNot {
		counts.drop(f.drop)
		r.give(p)
		return
	}
	p.stage, p.due = s, f.due
	for range f.copies - 1 {
		twin := r.take()
		twin.stage, twin.due, twin.size, twin.from, twin.to = s, f.due, p.size, p.from, p.to
		copy(twin.data[:], p.data[:p.size])
		r.due.push(twin)
	}
	r.due.push(p)
}

// arrive hands a packet to the receiver's kernel.
func (r *router) arrive(p *packet) {
	defer r.give(p)
	h := p.to
	if h.cut || h.tun < 0 {
		h.received.drop(dropDown)
		return
	}
	if _, err := unix.Write(h.tun, p.data[:p.size]); err != nil {
		h.received.drop(dropRefused)
		return
	}
	h.received.add(p.size)
}

// take gets memory for a packet.
func (r *router) take() *packet {
	if n := len(r.pool); n > 0 {
		p := r.pool[n-1]
		r.pool = r.pool[:n-1]
		return p
	}
	if len(r.due.packets) > packetsMax {
		panic(fmt.Sprintf("netlab: more than %d packets on their way", packetsMax))
	}
	return new(packet)
}

func (r *router) give(p *packet) { r.pool = append(r.pool, p) }

// destination reads the address that an IP packet goes to.
func destination(b []byte) (netip.Addr, bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(b[16:20])), true
	case len(b) >= 40 && b[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(b[24:40])), true
	}
	return netip.Addr{}, false
}

// forwards tells whether the internet carries packets to an address.
func forwards(a netip.Addr) bool {
	return !a.IsMulticast() && !a.IsLinkLocalUnicast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
