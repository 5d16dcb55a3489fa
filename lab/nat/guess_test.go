// SPDX-License-Identifier: MIT

//go:build lab && linux

package nat

import (
	"fmt"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// guessRuns is how often each pair is tried; 98 of 100 meet with the first guess.
const guessRuns, longGuessRuns = 2, 20

// guessLimit is how long a listener may be without audio: an introduction that comes to nothing, and a guess; twice.
const guessLimit = 45 * time.Second

// TestGuess: one side gives every connection another port at random, the other lets nobody in but from where it sent to, and no host
// carries audio. They meet all the same.
func TestGuess(t *testing.T) {
	beside(t)
	runs := guessRuns
	if long {
		runs = longGuessRuns
	}
	for _, p := range []struct{ source, listener netlab.Kind }{
		{netlab.PortRestricted, netlab.SymmetricRandom}, {netlab.SymmetricRandom, netlab.PortRestricted},
	} {
		t.Run(fmt.Sprintf("%v to %v", p.source, p.listener), func(t *testing.T) {
			beside(t)
			guess(t, p.source, p.listener, runs)
		})
	}
}

// guess lets a pair meet so many times; once it may fail.
func guess(t *testing.T, from, to netlab.Kind, runs int) {
	t.Helper()
	met, sum, most := 0, time.Duration(0), time.Duration(0)
	for i := range runs {
		net := netlab.New(t, uint64(700+i))
		world := newWorld(t, net, 3, "--upload", "0")
		move := func(name string, kind netlab.Kind, args ...string) *node {
			home := net.Home(t, name+" router", netlab.HomeConfig{Kind: kind, Up: line})
			return launch(t, home.Host(t, name), name, append(args, world.seeds...)...)
		}
		source := move("source", from, "broadcast", newMusic(t, net, kbps, time.Minute))
		source.awaitStanding(t)
		pass(t, settle()) // it asks others where they see it
		listener := move("listener", to, "listen", source.link(), "--player", "none")
		awaitReady(t, listener)
		began := time.Now()
		for listener.tuned().BufferMS == 0 && time.Since(began) < guessLimit {
			<-time.After(20 * time.Millisecond)
		}
		took := time.Since(began)
		if s := listener.tuned(); s.BufferMS > 0 {
			met, sum, most = met+1, sum+took, max(most, took)
			t.Logf("audio after %v, from %v", took.Round(time.Millisecond), addresses(s.Parents))
		} else {
			t.Logf("no audio after %v", took)
		}
	}
	t.Logf("%d of %d heard, after %v in the mean, %v at most", met, runs,
		(sum / time.Duration(max(1, met))).Round(time.Millisecond), most.Round(time.Millisecond))
	if met < runs-1 {
		t.Errorf("%d of %d heard", met, runs)
	}
}

// TestGuessOutlivesHost: a third of the listeners is fed by the one public host, which then dies: everybody goes on.
func TestGuessOutlivesHost(t *testing.T) {
	if !long {
		t.Skip("LAB_LONG is not set")
	}
	kinds := kindsOf(netlab.PortRestricted, crowdSize())
	for i := 2; i < len(kinds); i += 3 {
		kinds[i] = netlab.SymmetricRandom
	}
	w := newTown(t, townPlan{seed: 43, hosts: 1, source: netlab.PortRestricted, listeners: kinds, worldUpload: "auto"})
	pass(t, guessLimit)
	w.report(t)
	w.world.nodes[0].Kill()
	t.Log("the public host was killed")
	w.requireHeard(t, while())
	w.report(t)
}
