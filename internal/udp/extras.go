// SPDX-License-Identifier: MIT

package udp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// ExtrasMax is how many further ports a Conn has open at most.
const ExtrasMax = 512

// extraWait is how long closed ports are waited for by nobody: a read that fails for another reason rests so long.
const extraWait = 10 * time.Millisecond

// Extras are further ports of a Conn, each for one remote address, by which a NAT may be passed whose port nobody can foresee. Its
// methods may be called by any goroutine.
type Extras struct {
	conn    *Conn
	handle  func(from netip.AddrPort, b []byte)
	mu      sync.Mutex
	tries   []*extra
	readers sync.WaitGroup
	closed  bool
}

// An extra is one port: tried, or kept.
type extra struct {
	udp  *net.UDPConn
	to   netip.AddrPort
	data []byte // what is sent, and must come back
	kept bool
}

// A route says that datagrams for an address leave from another socket. Routes are never altered.
type route struct {
	to  netip.AddrPort
	udp *net.UDPConn
}

// NewExtras returns the further ports of c, none so far. What arrives on those that are kept goes to handle, as from Serve, but on
// other goroutines. Only one Extras of a Conn may be in use.
func (c *Conn) NewExtras(handle func(from netip.AddrPort, b []byte)) *Extras {
	return &Extras{conn: c, handle: handle}
}

// Try opens ports, as many as the system has of those that are asked for, and sends data to an address from each. The first on which
// exactly that comes back from there is kept, and the others for the address are closed: from then on what is written to the address
// leaves from it, and what comes from there to it is handled. Data is copied.
func (e *Extras) Try(to netip.AddrPort, data []byte, ports int) error {
	network := "udp4"
	if to.Addr().Is6() {
		network = "udp6"
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || slices.ContainsFunc(e.tries, func(x *extra) bool { return x.to == to && x.kept }) {
		return nil
	}
	data = bytes.Clone(data)
	for range min(ports, ExtrasMax-len(e.tries)) {
		var lc net.ListenConfig
		pc, err := lc.ListenPacket(context.Background(), network, ":0")
		if err != nil {
			return fmt.Errorf("open a further UDP port: %w", err)
		}
		x := &extra{udp: pc.(*net.UDPConn), to: to, data: data}
		e.tries = append(e.tries, x)
		e.readers.Go(func() { e.read(x) })
		_, _ = x.udp.WriteToUDPAddrPort(data, to) // refused is lost
	}
	return nil
}

// Drop closes all ports for an address, but for the one that is kept if that is to stay.
func (e *Extras) Drop(to netip.AddrPort, keep bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop(func(x *extra) bool { return x.to == to && !(keep && x.kept) })
}

// Close closes all ports and returns when nothing is handled any more.
func (e *Extras) Close() error {
	e.mu.Lock()
	e.closed = true
	e.drop(func(*extra) bool { return true })
	e.mu.Unlock()
	e.readers.Wait()
	return nil
}

// Count is how many ports are open: tried and kept.
func (e *Extras) Count() (tried, kept int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.tries {
		if x.kept {
			kept++
		}
	}
	return len(e.tries) - kept, kept
}

// drop closes some ports. The caller has the lock.
func (e *Extras) drop(which func(*extra) bool) {
	e.tries = slices.DeleteFunc(e.tries, func(x *extra) bool {
		if !which(x) {
			return false
		}
		_ = x.udp.Close() // nothing is lost that was not
		return true
	})
	var routes []route
	for _, x := range e.tries {
		if x.kept {
			routes = append(routes, route{x.to, x.udp})
		}
	}
	e.conn.routes.Store(&routes)
}

// read receives on one port until it is closed.
func (e *Extras) read(x *extra) {
	buf := make([]byte, DatagramBytesMax)
	kept := false
	for {
		n, from, err := x.udp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // of the network: what was sent met a closed door
			e.conn.readErrors.Add(1)
			time.Sleep(extraWait)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if from != x.to || !kept && !bytes.Equal(buf[:n], x.data) {
			continue
		}
		if !kept {
			if !e.keep(x) {
				return
			}
			kept = true
		}
		e.conn.received.Add(1)
		e.handle(from, buf[:n])
	}
}

// keep keeps a port and closes the others for its address; false: another one was first.
func (e *Extras) keep(x *extra) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Contains(e.tries, x) {
		return false
	}
	x.kept = true
	e.drop(func(o *extra) bool { return o != x && o.to == x.to })
	return true
}

// divert sends those of the messages for which there is a port of their own, and hands the runs between them to write.
func (c *Conn) divert(msgs []Message, routes []route, write func([]Message) (int, error)) (n int, first error) {
	begin := 0
	note := func(sent int, err error) {
		n += sent
		if first == nil {
			first = err
		}
	}
	for i := range msgs {
		k := slices.IndexFunc(routes, func(r route) bool { return r.to == msgs[i].To })
		if k < 0 {
			continue
		}
		if i > begin {
			note(write(msgs[begin:i]))
		}
		begin = i + 1
		if _, err := routes[k].udp.WriteToUDPAddrPort(msgs[i].Data, msgs[i].To); err != nil {
			c.writeErrors.Add(1)
			note(0, fmt.Errorf("send to %v: %w", msgs[i].To, err))
			continue
		}
		c.sent.Add(1)
		note(1, nil)
	}
	if begin < len(msgs) {
		note(write(msgs[begin:]))
	}
	return n, first
}

// diverted returns the routes that are in force.
func (c *Conn) diverted() []route {
	if r := c.routes.Load(); r != nil {
		return *r
	}
	return nil
}
