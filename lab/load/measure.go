// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"streamer/internal/identity"
)

// A mark is what the relay and this process have used at one moment.
type mark struct{ relay, own usage }

func (o *options) mark() (m mark, err error) {
	if m.relay, err = sample(o.pid); err != nil {
		return m, err
	}
	m.own, err = sample(os.Getpid())
	return m, err
}

// measure lets crowds of children join, waits until they have settled, and measures.
func (o *options) measure(ctx context.Context, station identity.StationID, peer netip.AddrPort) (report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begun := time.Now()
	calm := begun.Add(time.Duration(o.children)*time.Second/time.Duration(o.joins) + o.settle)
	end := calm.Add(o.duration)
	var wg sync.WaitGroup
	crowds := make([]*crowd, min(o.threads, o.children, o.joins))
	errs := make([]error, len(crowds)+1)
	for i := range crowds {
		sock, err := listen()
		if err != nil {
			return report{}, err
		}
		defer sock.close()
		first, after := o.children*i/len(crowds), o.children*(i+1)/len(crowds)
		c := &crowd{first: first, joins: o.joins / len(crowds), seed: o.seed, sock: sock, station: station, peer: peer}
		c.begin(after - first)
		crowds[i] = c
		wg.Go(func() {
			if errs[i] = c.live(ctx, calm, end); errs[i] != nil {
				cancel()
			}
		})
	}
	var m [3]mark // before the children join, when they have settled, at the end
	errs[len(crowds)] = o.marks(ctx, m[:], begun, calm, end)
	if errs[len(crowds)] != nil {
		cancel()
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return report{}, err
	}
	var r report
	for _, c := range crowds {
		c.add(&r)
	}
	r.charge(m[0], m[1], m[2])
	return r, nil
}

// marks takes a mark at each time.
func (o *options) marks(ctx context.Context, m []mark, at ...time.Time) error {
	for i := range m {
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped: %w", ctx.Err())
		case <-time.After(time.Until(at[i])):
		}
		var err error
		if m[i], err = o.mark(); err != nil {
			return err
		}
	}
	return nil
}
