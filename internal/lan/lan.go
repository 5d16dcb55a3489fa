// SPDX-License-Identifier: MIT

// Package lan finds nodes on the same LAN, without a server and without the internet: each says by multicast that it is here
// and where (docs/protocol/lan.md). Nothing goes beyond the link, and nothing is believed of an address that is not on it.
// What is found is hearsay: only a handshake shows that the node is there.
package lan

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"streamer/internal/identity"
)

const (
	// Port is where beacons go, whatever ports the nodes have.
	Port = 29428

	beaconEvery      = time.Minute
	beaconJitter     = 5 * time.Second // less at most
	lookEvery        = 5 * time.Second // for interfaces that came or went
	newcomerGap      = 750 * time.Millisecond
	newcomerJitter   = 250 * time.Millisecond
	newcomerCount    = 3 // beacons in about 2 s
	newcomerFailures = 5 // in a row; then more slowly

	heardPerSec    = 100 // beacons that are looked at
	heardAtOnce    = 300
	answersPerSec  = 20
	answersAtOnce  = 60
	queueMax       = 64 // packets between the sockets and the loop; more are dropped
	readPause      = 50 * time.Millisecond
	readErrorsMax  = 20 // in a row: the socket is opened again
	datagramsBytes = BeaconBytes + 1
)

// Config holds what Run needs.
type Config struct {
	Self       identity.NodeID
	Port       uint16                      // the node's UDP port
	Log        *slog.Logger                // nil: none
	Interfaces func() ([]Interface, error) // nil: Interfaces
}

// Run sends beacons and listens for others until ctx ends, whose error it returns. It calls found, on its own goroutine, with
// each node that it hears: at once, when the address changes, and again every 10 minutes. A machine or an interface without
// multicast is no error: then nobody is found there.
func Run(ctx context.Context, cfg Config, found func(netip.AddrPort, identity.NodeID)) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Interfaces == nil {
		cfg.Interfaces = Interfaces
	}
	l := &listener{
		cfg:      cfg,
		found:    found,
		packets:  make(chan packet, queueMax),
		broken:   make(chan *radio, families),
		stop:     make(chan struct{}),
		heard:    rate.NewLimiter(heardPerSec, heardAtOnce),
		answers:  rate.NewLimiter(answersPerSec, answersAtOnce),
		lamented: map[string]bool{},
	}
	defer l.close()
	l.run(ctx)
	return ctx.Err()
}

// A listener is one Run.
type listener struct {
	cfg     Config
	found   func(netip.AddrPort, identity.NodeID)
	packets chan packet
	broken  chan *radio   // whose socket fails
	stop    chan struct{} // closed at the end
	readers sync.WaitGroup

	heard, answers *rate.Limiter
	hosts          hosts
	interfaces     []Interface
	radios         [families]*radio // nil: no interface has the family
	lamented       map[string]bool  // faults that were logged
	next           time.Time        // when all interfaces are due
}

func (l *listener) run(ctx context.Context) {
	look := time.NewTimer(0)
	defer look.Stop()
	beacon := time.NewTimer(0)
	defer beacon.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if l.look() {
				beacon.Reset(0)
			}
			look.Reset(lookEvery)
		case <-beacon.C:
			beacon.Reset(l.send(time.Now()))
		case r := <-l.broken:
			if l.radios[r.family] == r {
				r.close()
				l.radios[r.family] = nil // the next look opens it again
			}
		case p := <-l.packets:
			l.receive(time.Now(), p)
		}
	}
}

func (l *listener) close() {
	close(l.stop)
	for _, r := range l.radios {
		if r != nil {
			r.close()
		}
	}
	l.readers.Wait()
}

// send sends a beacon where one is due, and returns how long to wait for the next.
func (l *listener) send(now time.Time) time.Duration {
	all := !now.Before(l.next)
	if all {
		l.next = now.Add(beaconEvery - rand.N(beaconJitter))
	}
	wait := l.next.Sub(now)
	for _, r := range l.radios {
		for _, i := range l.interfaces {
			if r == nil || r.joined[i.Device.Index] == nil {
				continue
			}
			m := r.joined[i.Device.Index]
			if !all && m.newcomer == 0 {
				continue
			}
			b := Beacon{Newcomer: m.newcomer > 0, Port: l.cfg.Port, Node: l.cfg.Self}
			if err := r.multicast(b.Append(nil), i); err != nil { // perhaps an address that is being checked (RFC 4862)
				l.lament(i, err)
				m.failures++
			} else {
				m.failures = 0
				m.newcomer = max(m.newcomer-1, 0)
			}
			switch {
			case m.newcomer > 0 && m.failures < newcomerFailures:
				wait = min(wait, newcomerGap+rand.N(newcomerJitter))
			case m.newcomer > 0:
				wait = min(wait, lookEvery)
			}
		}
	}
	return wait
}

// look brings the sockets in line with the interfaces, and says whether there is a new one.
func (l *listener) look() (news bool) {
	list, err := l.cfg.Interfaces()
	if err != nil {
		l.lament(Interface{}, err)
		return false
	}
	l.interfaces = list[:min(len(list), interfacesMax)]
	for f := range families {
		present := map[int]string{}
		for _, i := range l.interfaces {
			if !i.has(f) {
				continue
			}
			present[i.Device.Index] = i.Device.Name
			entered, err := l.enter(f, i.Device)
			l.lament(i, err)
			news = news || entered
		}
		if r := l.radios[f]; r != nil {
			for index, m := range r.joined {
				if present[index] != m.device.Name {
					r.leave(m.device)
				}
			}
		}
	}
	return news
}

// enter joins the group on an interface, and says whether that was new.
func (l *listener) enter(f family, d net.Interface) (bool, error) {
	r := l.radios[f]
	if r == nil {
		opened, err := openRadio(f, d)
		if err != nil {
			return false, err
		}
		l.radios[f] = opened
		l.listen(opened)
		return true, nil
	}
	if m := r.joined[d.Index]; m != nil && m.device.Name == d.Name {
		return false, nil
	}
	err := r.join(d)
	return err == nil, err
}

// lament logs a fault, once for each interface and message.
func (l *listener) lament(i Interface, err error) {
	if err == nil {
		return
	}
	what := i.Device.Name + ": " + err.Error()
	if l.lamented[what] || len(l.lamented) >= 4*interfacesMax {
		return
	}
	l.lamented[what] = true
	l.cfg.Log.Debug("no beacons", "interface", i.Device.Name, "error", err)
}

// listen starts a goroutine for each of the radio's sockets.
func (l *listener) listen(r *radio) {
	for _, shared := range []bool{true, false} {
		l.readers.Go(func() {
			for failures := 0; failures < readErrorsMax; {
				p, err := r.read(shared, make([]byte, datagramsBytes))
				switch {
				case errors.Is(err, net.ErrClosed):
					return
				case err != nil:
					failures++
					time.Sleep(readPause)
					continue
				}
				failures = 0
				select {
				case l.packets <- p:
				default: // a flood
				}
			}
			select {
			case l.broken <- r:
			case <-l.stop:
			}
		})
	}
}

// receive takes what a socket heard.
func (l *listener) receive(now time.Time, p packet) {
	b, err := ParseBeacon(p.data)
	if err != nil || b.Node == l.cfg.Self || !l.believes(p) || !l.heard.AllowN(now, 1) {
		return
	}
	ip := zoned(p.from.Addr(), p.index)
	if b.Newcomer && l.answers.AllowN(now, 1) {
		answer := Beacon{Port: l.cfg.Port, Node: l.cfg.Self}
		_ = p.radio.unicast(answer.Append(nil), netip.AddrPortFrom(ip, p.from.Port()))
	}
	if addr := netip.AddrPortFrom(ip, b.Port); l.hosts.hear(now, b.Node, addr) {
		l.found(addr, b.Node)
	}
}

// believes reports whether the sender is on one of the links.
func (l *listener) believes(p packet) bool {
	if p.radio == nil {
		return false
	}
	ip := p.from.Addr().WithZone("")
	for _, i := range l.interfaces {
		if (p.index == 0 || p.index == i.Device.Index) && i.attached(ip) {
			return true
		}
	}
	return false
}
