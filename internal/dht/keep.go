// SPDX-License-Identifier: MIT

package dht

import (
	"context"
	"math/rand/v2"
	"time"
)

// KeepAnnounced announces again and again until ctx ends or the DHT is closed: every AnnounceEvery, sooner after a round
// that nobody took. port is asked before each round and may wait for something to announce; while it is 0, nobody is asked.
func (d *DHT) KeepAnnounced(ctx context.Context, key Key, port func() uint16) {
	var p Pace
	for {
		ok := true
		if announced := port(); announced != 0 {
			r, err := d.Announce(ctx, key, announced, nil)
			ok = err == nil && r.Stored > 0
		}
		wait := p.Next(ok, rand.Float64())
		select {
		case <-ctx.Done():
			return
		case <-d.done:
			return
		case <-time.After(wait):
		}
	}
}

// A Pace is how long to wait between rounds. The zero value is ready for use.
type Pace struct {
	wait time.Duration // after the next failure; 0: retryLeast
}

// Next returns how long to wait after a round; random is in [0, 1).
func (p *Pace) Next(ok bool, random float64) time.Duration {
	jitter := time.Duration(random * float64(announceJitter))
	if ok {
		p.wait = 0
		return AnnounceEvery - jitter
	}
	p.wait = min(max(retryLeast, p.wait), AnnounceEvery)
	wait := p.wait
	p.wait *= 2
	return wait
}
