// SPDX-License-Identifier: MIT

package portmap

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"time"
)

const (
	lifetimeMin = time.Second // shorter leases are treated so, against a router that would be asked all the time
	lifetimeMax = 24 * time.Hour
	renewFloor  = 500 * time.Millisecond // between two attempts

	betterWait = 100 * time.Millisecond // for a better protocol than the one that answered first
	raceTime   = 15 * time.Second       // for all that it takes to get a mapping
	askTime    = 5 * time.Second        // for one question to a router
	closeTime  = time.Second            // at the end
	checkEvery = time.Minute            // whether the router still has the mapping
	againFirst = time.Second            // after a mapping was lost
	againNone  = 10 * time.Second       // after the first race without a winner; doubled each time
	againMax   = 10 * time.Minute
)

// A keeper gets a mapping on one path and keeps it.
type keeper struct {
	path     Path
	port     uint16
	lifetime time.Duration
	mappers  []mapper      // the best first
	wake     chan struct{} // holds one: the router or the machine may have changed
	log      *slog.Logger
	report   func(State) // called by run
}

var errNobody = errors.New("no router there maps ports")

// run ends with ctx, and gives the mapping back.
func (k *keeper) run(ctx context.Context) {
	last := netip.AddrPort{}
	for pause := againNone; ; {
		m, l, err := k.race(ctx, last)
		wait := pause
		if err == nil {
			last = l.external
			err = k.hold(ctx, m, &l)
			pause, wait = againNone, againFirst
		} else {
			pause = min(2*pause, againMax)
		}
		if ctx.Err() != nil {
			return
		}
		k.report(State{Gateway: k.path.Gateway, Err: err})
		if !k.sleep(ctx, wait) {
			return
		}
	}
}

// sleep waits, until it is woken at most, and reports whether there is reason to go on.
func (k *keeper) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d - d/16 + rand.N(d/8+1)) // many homes lose power at once
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-k.wake:
	case <-t.C:
	}
	return true
}

// race asks by all protocols at once, and makes a mapping with the best of those that answer first. Only one is made: a router
// may take two of them for one, and the end of the second for the end of both.
func (k *keeper) race(ctx context.Context, last netip.AddrPort) (mapper, lease, error) {
	ctx, cancel := context.WithTimeout(ctx, raceTime)
	defer cancel()
	type answer struct {
		rank int
		err  error
	}
	answers := make(chan answer)
	for rank, m := range k.mappers {
		go func() {
			err := m.probe(ctx)
			answers <- answer{rank, err}
		}()
	}
	running := len(k.mappers)
	defer func() { // nobody is left behind; none of them outlives ctx
		cancel()
		for ; running > 0; running-- {
			<-answers
		}
	}()
	ready, err := make([]bool, len(k.mappers)), errNobody
	better := time.NewTimer(raceTime)
	defer better.Stop()
	for waiting := 0; running > 0; {
		select {
		case a := <-answers:
			running--
			if a.err != nil {
				k.log.Debug("no port mapping", keyProtocol, k.mappers[a.rank].protocol(), keyError, a.err)
			} else {
				ready[a.rank] = true
				if waiting++; waiting == 1 {
					better.Reset(betterWait)
				}
			}
			if running > 0 && !ready[0] {
				continue
			}
		case <-better.C:
		}
		waiting = 0
		for rank, m := range k.mappers {
			if !ready[rank] {
				continue
			}
			ready[rank] = false
			l, failed := k.open(ctx, m, last)
			if failed == nil {
				return m, l, nil
			}
			err = failed
		}
	}
	return nil, lease{}, err
}

// open makes a mapping. What was perhaps made when ctx ends is given back.
func (k *keeper) open(ctx context.Context, m mapper, last netip.AddrPort) (lease, error) {
	l, err := m.open(ctx, last, k.lifetime)
	if ctx.Err() != nil {
		k.close(m, l)
		return lease{}, ctx.Err()
	}
	if err != nil {
		k.log.Debug("no port mapping", keyProtocol, m.protocol(), keyError, err)
	}
	return l, err
}

func (k *keeper) close(m mapper, l lease) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := m.close(ctx, l); err != nil {
		k.log.Debug("port mapping not given back", keyProtocol, m.protocol(), keyError, err)
	}
}

// hold renews a mapping at half of its time, as RFC 6887 §11.2.1 says, then at half of what is left, until it is lost.
func (k *keeper) hold(ctx context.Context, m mapper, l *lease) error {
	k.tell(m, *l)
	granted := time.Now()
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	renew := time.NewTimer(k.term(*l) / 2)
	defer renew.Stop()
	for {
		due := false
		select {
		case <-ctx.Done():
			k.close(m, *l)
			return ctx.Err()
		case <-renew.C:
			due = true
		case <-k.wake:
		case <-check.C:
		}
		if !due && k.intact(ctx, m, *l) {
			continue
		}
		// It is time, or the router has lost the mapping.
		next, err := k.renew(ctx, m, *l)
		if ctx.Err() != nil {
			k.close(m, *l)
			return ctx.Err()
		}
		left := k.term(*l) - time.Since(granted)
		switch {
		case err == nil:
			granted = time.Now()
			*l = next
			k.tell(m, *l)
			renew.Reset(k.term(*l) / 2)
		case refused(err) || !due || left <= renewFloor:
			return err
		default: // the router is silent, perhaps it restarts
			renew.Reset(max(left/2, renewFloor))
		}
	}
}

// term is for how long a lease is taken for granted. One without an end is renewed as if it had one, which it may have all the
// same: routers forget.
func (k *keeper) term(l lease) time.Duration {
	if l.lifetime == 0 {
		return k.lifetime
	}
	return l.lifetime
}

func (k *keeper) intact(ctx context.Context, m mapper, l lease) bool {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	ok, err := m.intact(ctx, l)
	return ok || err != nil && !refused(err) // who does not answer now may have it still: that shows at the renewal
}

func (k *keeper) renew(ctx context.Context, m mapper, l lease) (lease, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return m.open(ctx, l.external, k.lifetime)
}

// refused reports whether a router answered and would not.
func refused(err error) bool {
	var pcp PCPResult
	var pmp PMPResult
	var igd faultError
	return errors.As(err, &pcp) || errors.As(err, &pmp) || errors.As(err, &igd) || errors.Is(err, ErrVersion) ||
		errors.Is(err, errNoAddress) || errors.Is(err, errOtherPort)
}

func (k *keeper) tell(m mapper, l lease) {
	k.report(State{Gateway: k.path.Gateway, Mapping: Mapping{
		Protocol: m.protocol(), External: l.external, Internal: netip.AddrPortFrom(k.path.Local, k.port),
		Lifetime: k.term(l), Gateway: k.path.Gateway,
	}})
}
