// SPDX-License-Identifier: MIT

package daemon_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/identity"
	"streamer/internal/node"
)

// inBubble runs f with stations of a node that talks to nobody, in a bubble where time costs nothing.
func inBubble(t *testing.T, f func(t *testing.T, s daemon.TestStations)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := daemon.NewTestStations(node.Config{
			Key: identity.NewNodeKey([32]byte{1}), Rand: rand.NewPCG(1, 1), Secrets: rand.NewChaCha8([32]byte{1}),
			UploadBPS: node.UploadAuto,
		})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { s.Run(ctx) })
		f(t, s)
		cancel()
		all.Wait()
	})
}

func stationID(n byte) identity.StationID { return identity.NewStationKey([32]byte{n}).ID() }

func wantRole(t *testing.T, s daemon.TestStations, id identity.StationID, want node.Role) {
	t.Helper()
	synctest.Wait()
	if got, err := s.Role(t.Context(), id); err != nil || got != want {
		t.Fatalf("role %v, %v; want %v", got, err, want)
	}
}

func TestLastPlayerLeavesAfterGrace(t *testing.T) {
	inBubble(t, func(t *testing.T, s daemon.TestStations) {
		t.Helper()
		id := stationID(1)
		_, release, err := s.Tune(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		channel, second, err := s.Tune(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		wantRole(t, s, id, node.RoleListener)
		release()
		release() // twice is once
		time.Sleep(2 * daemon.TuneGrace)
		wantRole(t, s, id, node.RoleListener) // the second one is there
		second()
		time.Sleep(daemon.TuneGrace - time.Second)
		wantRole(t, s, id, node.RoleListener)
		again, third, err := s.Tune(t.Context(), id)
		if err != nil || again != channel {
			t.Fatalf("within the grace there is another channel, or %v", err)
		}
		time.Sleep(2 * daemon.TuneGrace)
		wantRole(t, s, id, node.RoleListener)
		third()
		time.Sleep(daemon.TuneGrace + 2*time.Second)
		wantRole(t, s, id, 0)
		fresh, fourth, err := s.Tune(t.Context(), id)
		if err != nil || fresh == channel {
			t.Fatalf("after the grace there is the old channel, or %v", err)
		}
		fourth()
	})
}

func TestRelayListensWhileSomebodyPlays(t *testing.T) {
	inBubble(t, func(t *testing.T, s daemon.TestStations) {
		t.Helper()
		id := stationID(1)
		if err := s.Pin(t.Context(), identity.Link{Station: id}, node.RoleRelay); err != nil {
			t.Fatal(err)
		}
		wantRole(t, s, id, node.RoleRelay)
		_, release, err := s.Tune(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		wantRole(t, s, id, node.RoleListener)
		release()
		time.Sleep(daemon.TuneGrace + 2*time.Second)
		wantRole(t, s, id, node.RoleRelay)
		if was, err := s.Unpin(t.Context(), id); !was || err != nil {
			t.Errorf("Unpin: %v, %v", was, err)
		}
		wantRole(t, s, id, 0)
		if was, err := s.Unpin(t.Context(), id); was || err != nil {
			t.Errorf("Unpin again: %v, %v", was, err)
		}
	})
}

func TestUnpinLeavesPlayersAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, s daemon.TestStations) {
		t.Helper()
		id := stationID(1)
		if err := s.Pin(t.Context(), identity.Link{Station: id}, node.RoleListener); err != nil {
			t.Fatal(err)
		}
		_, release, err := s.Tune(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if was, err := s.Unpin(t.Context(), id); !was || err != nil {
			t.Fatalf("Unpin: %v, %v", was, err)
		}
		wantRole(t, s, id, node.RoleListener)
		release()
		time.Sleep(daemon.TuneGrace + 2*time.Second)
		wantRole(t, s, id, 0)
	})
}

func TestHeldForAPlayerThatComesOrNot(t *testing.T) {
	inBubble(t, func(t *testing.T, s daemon.TestStations) {
		t.Helper()
		never, comes, relayed := stationID(1), stationID(2), stationID(3)
		if err := s.Pin(t.Context(), identity.Link{Station: relayed}, node.RoleRelay); err != nil {
			t.Fatal(err)
		}
		for _, id := range []identity.StationID{never, comes, relayed} {
			if err := s.Hold(t.Context(), identity.Link{Station: id}); err != nil {
				t.Fatal(err)
			}
		}
		wantRole(t, s, never, node.RoleListener)
		time.Sleep(daemon.TuneGrace / 2)
		_, release, err := s.Tune(t.Context(), comes)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(daemon.TuneGrace/2 + 2*time.Second)
		wantRole(t, s, never, 0)
		wantRole(t, s, comes, node.RoleListener)
		wantRole(t, s, relayed, node.RoleRelay)
		if err := s.Hold(t.Context(), identity.Link{Station: comes}); err != nil {
			t.Fatal(err)
		}
		release()
		time.Sleep(daemon.TuneGrace + 2*time.Second)
		wantRole(t, s, comes, 0)
	})
}

func TestTooManyStations(t *testing.T) {
	inBubble(t, func(t *testing.T, s daemon.TestStations) {
		t.Helper()
		for i := range daemon.StationsMax {
			if err := s.Pin(t.Context(), identity.Link{Station: stationID(byte(i))}, node.RoleRelay); err != nil {
				t.Fatalf("station %d: %v", i, err)
			}
		}
		if _, _, err := s.Tune(t.Context(), stationID(255)); err == nil {
			t.Error("one station too many was taken")
		}
		wantRole(t, s, stationID(daemon.StationsMax-1), node.RoleRelay)
	})
}

// Many at once on one station: the race detector watches.
func TestTuneFromManyGoroutines(t *testing.T) {
	inBubble(t, func(t *testing.T, s daemon.TestStations) {
		t.Helper()
		id := stationID(1)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				for range 20 {
					_, release, err := s.Tune(t.Context(), id)
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Duration(i) * time.Second)
					release()
				}
			})
		}
		all.Wait()
		time.Sleep(daemon.TuneGrace + 2*time.Second)
		wantRole(t, s, id, 0)
	})
}
