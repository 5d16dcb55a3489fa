// SPDX-License-Identifier: MIT

package mesh_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mesh"
	"streamer/internal/wire"
)

const epoch = 100

func TestChunksInOrder(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 4))
	r.chunks(1, epoch, 0, 2, 3)
	r.expect("epoch 100", "header 0")
	r.chunks(1, epoch, 1)
	r.expect("audio 1", "audio 2", "audio 3")
	r.chunks(1, epoch, 1)
	r.expect()
	if c := r.s.Status(r.now).Counts; c.Received != 4 || c.Duplicate != 1 {
		t.Errorf("%+v", c)
	}
}

// Manifests come in any order, chunks before them too: nothing is lost and nothing is out of order.
func TestManifestsOutOfOrder(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	first, second, third := r.manifest(epoch, 0, 2), r.manifest(epoch, 2, 2), r.manifest(epoch, 4, 2)
	r.from(1, third)
	r.chunks(1, epoch, 4, 5, 2, 3)
	r.from(1, second)
	r.chunks(1, epoch, 0, 1)
	r.expect()
	r.from(1, first)
	r.expect("epoch 100", "header 0", "audio 1", "audio 2", "audio 3", "audio 4", "audio 5")
	r.expectHostile()
}

// A chunk whose manifest is missing is not believed; the manifest is asked for.
func TestChunkBeforeItsManifest(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 1))
	r.chunks(1, epoch, 0, 1)
	r.expect("epoch 100", "header 0")
	r.run(40 * time.Millisecond)
	asked := slices.ContainsFunc(r.control[1], func(b []byte) bool {
		var m wire.Nack
		if b[0] != wire.TypeNack {
			return false
		}
		_, err := wire.ParseNack(b[1:], &m)
		return err == nil && slices.Contains(m.Manifests[:m.NManifest], 1)
	})
	if !asked {
		t.Error("nobody is asked for the manifest of chunk 1")
	}
	r.from(1, r.manifest(epoch, 1, 1))
	r.expect("audio 1")
}

// Of two early chunks with one number the true one is taken, whoever was first, and who sent the other one is hostile.
func TestFalseEarlyChunk(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.meet(2)
	r.from(1, r.manifest(epoch, 0, 1))
	r.chunks(1, epoch, 0)
	r.from(2, wire.Chunk{EpochLow: epoch, Seq: 1, Data: []byte("noise")}.Append(nil))
	r.chunks(1, epoch, 1)
	r.expect("epoch 100", "header 0")
	r.from(1, r.manifest(epoch, 1, 1))
	r.expect("audio 1")
	r.expectHostile(2)
}

// A chunk that is not what the station signed is neither played nor forwarded, and its sender is hostile.
func TestWrongHashIsHostile(t *testing.T) {
	r := newRig(t, mesh.Listener, 1_000_000)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 2))
	r.chunks(1, epoch, 0, 1)
	r.meet(2)
	if g := r.want(2, wire.Want{Classes: 0xffff, Manifests: true}); g.Classes != 0xffff || !g.Manifests {
		t.Fatalf("%+v", g)
	}
	r.expect("epoch 100", "header 0", "audio 1")
	r.from(1, r.manifest(epoch, 2, 2))
	data := chunkData(epoch, 2)
	data[len(data)-1] ^= 1
	r.from(1, wire.Chunk{EpochLow: epoch, Seq: 2, Data: data}.Append(nil))
	r.expect()
	r.expectHostile(1)
	if got, want := r.audio[2], []string{"manifest 2"}; !slices.Equal(got, want) {
		t.Errorf("forwarded: %q, want %q", got, want)
	}
	r.chunks(1, epoch, 2)
	r.expect("audio 2")
	if got, want := r.audio[2], []string{"manifest 2", "chunk 2"}; !slices.Equal(got, want) {
		t.Errorf("forwarded: %q, want %q", got, want)
	}
	if c := r.s.Status(r.now).Counts; c.Polluted != 1 {
		t.Errorf("%+v", c)
	}
}

func TestForgedManifestIsHostile(t *testing.T) {
	for name, forge := range map[string]func(r *rig) []byte{
		"another station's": func(*rig) []byte {
			m := wire.Manifest{Epoch: epoch, N: 1, Headers: 1, Kinds: [8]uint8{1}, Hashes: [8]wire.Hash{wire.HashChunk(chunkData(epoch, 0))}}
			return wire.AppendManifestMessage(nil, 1, m.Sign(nil, identity.NewStationKey([32]byte{9})))
		},
		"altered": func(r *rig) []byte {
			b := r.manifest(epoch, 0, 1)
			b[len(b)-identity.SignatureBytes-1] ^= 1
			return b
		},
		"end": func(r *rig) []byte {
			b := r.manifest(epoch, 4, 0, end)
			b[len(b)-1] ^= 1
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, mesh.Listener, 0)
			r.feedFrom(1, epoch, 0)
			r.from(1, forge(r))
			r.expectHostile(1)
			r.chunks(1, epoch, 0)
			r.run(100 * time.Millisecond)
			r.expect()
			if c := r.s.Status(r.now); c.Counts.Forged != 1 || c.Epoch != 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// What a station signed yesterday cannot be played to those who listen today.
func TestOlderEpochIsIgnored(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 1))
	r.from(1, r.manifest(epoch-1, 0, 2))
	r.chunks(1, epoch-1, 0, 1)
	r.from(1, r.manifest(epoch-1, 2, 0, end))
	r.chunks(1, epoch, 0)
	r.expect("epoch 100", "header 0")
	r.expectHostile()
	if st := r.s.Status(r.now); st.Counts.Stale != 2 || st.Epoch != epoch || st.Ended {
		t.Errorf("%+v", st)
	}
}

// The end is told once, after the last chunk.
func TestEndOfStream(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 3))
	r.chunks(1, epoch, 0, 1)
	bye := r.manifest(epoch, 3, 0, end)
	r.from(1, bye)
	r.expect("epoch 100", "header 0", "audio 1")
	r.chunks(1, epoch, 2)
	r.expect("audio 2", "ended")
	r.from(1, bye)
	r.run(time.Second)
	r.expect()
}

// A station that comes back after its end goes on with a new epoch.
func TestNewEpochAfterTheEnd(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 1))
	r.chunks(1, epoch, 0)
	r.from(1, r.manifest(epoch, 1, 0, end))
	r.expect("epoch 100", "header 0", "ended")
	r.from(1, r.manifest(epoch+1, 0, 2))
	r.chunks(1, epoch+1, 0, 1)
	r.expect("epoch 101", "header 0", "audio 1")
}

// A late joiner gets the header and the event in force, both older than all that it has.
func TestEventInForce(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 40)
	r.from(1, r.manifest(epoch, 40, 4, event(5)))
	r.chunks(1, epoch, 40, 41)
	r.expect()
	r.from(1, r.manifest(epoch, 5, 1, event(5)))
	r.chunks(1, epoch, 5)
	r.expect()
	r.from(1, r.manifest(epoch, 0, 1))
	r.chunks(1, epoch, 0)
	r.expect("epoch 100", "header 0", "event 5", "audio 40", "audio 41")
	r.chunks(1, epoch, 42, 43)
	r.expect("audio 42", "audio 43")
}

// The epoch before is finished before the next one begins, when what is missing of it comes in time.
func TestPreviousEpochIsFinished(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 3))
	r.chunks(1, epoch, 0, 1)
	r.from(1, r.manifest(epoch+1, 0, 2, after(epoch, 4)))
	r.chunks(1, epoch+1, 0, 1)
	r.expect("epoch 100", "header 0", "audio 1")
	r.chunks(1, epoch, 2)
	r.expect("audio 2")
	r.from(1, r.manifest(epoch, 3, 1))
	r.chunks(1, epoch, 3)
	r.expect("audio 3", "epoch 101", "header 0", "audio 1")
}

// A source that vanished had signed chunks that it never sent. When it is back with an epoch that does not know of them they are
// waited for a moment, in case somebody has them, and not until they would have been played.
func TestEndThatWasNeverSent(t *testing.T) {
	for _, late := range []bool{true, false} {
		r := newRig(t, mesh.Listener, 0)
		r.feedFrom(1, epoch, 0)
		r.from(1, r.manifest(epoch, 0, 4))
		r.chunks(1, epoch, 0, 1)
		r.run(500 * time.Millisecond)
		r.from(1, r.manifest(epoch+1, 0, 2))
		r.chunks(1, epoch+1, 0, 1)
		r.run(599 * time.Millisecond)
		r.expect("epoch 100", "header 0", "audio 1")
		if late {
			r.run(2 * time.Millisecond)
			r.expect("gap 2+2", "epoch 101", "header 0", "audio 1")
			continue
		}
		r.chunks(1, epoch, 3) // somebody has some of it: the rest may come, too
		r.run(300 * time.Millisecond)
		r.expect()
		r.chunks(1, epoch, 2)
		r.expect("audio 2", "audio 3", "epoch 101", "header 0", "audio 1")
	}
}

// A missing chunk is waited for until it would have been played, not a moment longer, and not given up before.
func TestGapAtTheDeadline(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 8))
	r.chunks(1, epoch, 0, 1, 2, 5, 6, 7)
	r.expect("epoch 100", "header 0", "audio 1", "audio 2")
	const playDelay = 3 * time.Second
	due := r.now.Add(playDelay - 5*chunkSpan) // chunk 3 was recorded so long before its manifest was signed
	r.run(due.Sub(r.now) - time.Millisecond)
	r.expect()
	r.run(2 * time.Millisecond)
	r.expect("gap 3+1")
	r.run(chunkSpan)
	r.expect("gap 4+1", "audio 5", "audio 6", "audio 7")
	if c := r.s.Status(r.now).Counts; c.Missing != 2 {
		t.Errorf("%+v", c)
	}
}

// A player that has waited for a chunk plays what follows that much later: a hole behind it is waited for as much longer.
func TestGapAfterAWait(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 8))
	r.chunks(1, epoch, 0, 1, 2)
	r.expect("epoch 100", "header 0", "audio 1", "audio 2")
	r.chunks(1, epoch, 3, 4, 5, 6, 7)
	r.expect("audio 3", "audio 4", "audio 5", "audio 6", "audio 7")
	second := r.manifest(epoch, 8, 8)
	r.run(5 * time.Second) // the player has nothing left after 3 s
	r.feedFrom(2, epoch, 8)
	r.from(2, second)
	r.chunks(2, epoch, 8, 10)
	r.expect("audio 8")
	r.run(chunkSpan - 2*time.Millisecond)
	r.expect()
	r.run(4 * time.Millisecond)
	r.expect("gap 9+1", "audio 10")
}

// While there is nothing else to play, nothing is given up: what comes late is played late.
func TestNothingElseToPlay(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 8))
	r.chunks(1, epoch, 0, 1, 2)
	r.expect("epoch 100", "header 0", "audio 1", "audio 2")
	r.run(5 * time.Second) // 3 to 7 should have been played 2 s ago
	r.feedFrom(2, epoch, 3)
	r.expect()
	r.chunks(2, epoch, 3, 4, 6)
	r.expect("audio 3", "audio 4")
	r.run(2*chunkSpan - time.Millisecond) // 5 is due that much after 3
	r.expect()
	r.run(2 * time.Millisecond)
	r.expect("gap 5+1", "audio 6")
}

// A newcomer whose parents have no upload left for the past does not begin in front of a hole that nobody fills, nor does it wait for it.
func TestBeginsAfterWhatNobodyFills(t *testing.T) {
	const startPatience = 800 * time.Millisecond
	for _, filled := range []bool{true, false} {
		r := newRig(t, mesh.Listener, 0)
		r.feedFrom(1, epoch, 0)
		r.from(1, r.manifest(epoch, 0, 8))
		r.chunks(1, epoch, 1, 2, 4, 5, 6, 7)
		r.run(time.Second) // it asks for the header and for chunk 3, in vain
		r.chunks(1, epoch, 0)
		r.expect("epoch 100", "header 0")
		r.run(startPatience - time.Millisecond)
		r.expect()
		want := []string{"audio 4", "audio 5", "audio 6", "audio 7"}
		if filled {
			r.chunks(1, epoch, 3)
			want = append([]string{"audio 1", "audio 2", "audio 3"}, want...)
		}
		r.run(2 * time.Millisecond)
		r.expect(want...)
		if c := r.s.Status(r.now).Counts; c.Missing != 0 {
			t.Errorf("%+v", c)
		}
		// Nor does the hole hide what comes after it.
		r.from(1, wire.Have{Channel: 1, Epoch: epoch, Next: 8, Complete: 8, Parts: 0xf, Ask: true}.Append(nil))
		if m, ok := r.lastHave(1); !ok || m.Complete != 8 {
			t.Errorf("filled %v: says %+v", filled, m)
		}
	}
}

// A chunk that comes just in time is no gap, whoever brings it.
func TestChunkJustInTime(t *testing.T) {
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 8))
	r.chunks(1, epoch, 0, 1, 2, 4, 5, 6, 7)
	r.run(2500 * time.Millisecond) // its parent has died meanwhile
	r.meet(2)
	r.chunks(2, epoch, 3)
	r.run(time.Second)
	r.expect("epoch 100", "header 0", "audio 1", "audio 2", "audio 3", "audio 4", "audio 5", "audio 6", "audio 7")
}

// A relay keeps and forwards and tells no application.
func TestRelayTellsNobody(t *testing.T) {
	r := newRig(t, mesh.Relay, 1_000_000)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 2))
	r.chunks(1, epoch, 0, 1)
	r.expect()
	if c := r.s.Status(r.now).Counts; c.Received != 2 {
		t.Errorf("%+v", c)
	}
}

// Who sends the same again and again is hostile at last, who does so by mistake is not.
func TestJunk(t *testing.T) {
	const junkMax = 512
	r := newRig(t, mesh.Listener, 0)
	r.feedFrom(1, epoch, 0)
	r.from(1, r.manifest(epoch, 0, 1))
	r.chunks(1, epoch, 0)
	for range junkMax - 1 {
		r.chunks(1, epoch, 0)
	}
	r.expectHostile()
	r.chunks(1, epoch, 0)
	r.expectHostile(1)
}

// No message, whatever it holds and in whatever order, makes a station panic, forget its bounds or ask to be called at once
// for ever.
func FuzzStation(f *testing.F) {
	r := newRig(f, mesh.Listener, 1_000_000)
	for _, b := range [][]byte{
		r.manifest(epoch, 0, 2), chunkMessage(epoch, 0), chunkMessage(epoch, 1), r.manifest(epoch, 2, 0, end),
		wire.Want{Classes: 0xffff, Manifests: true, Backlog: true, Headers: true, Back: 3000}.Append(nil),
		wire.Have{Epoch: epoch, Next: 9, Complete: 2, Ask: true, Map: []byte{0xff}}.Append(nil),
	} {
		f.Add(fmt.Appendf(nil, "%c%s", len(b), b), false)
	}
	f.Fuzz(func(t *testing.T, script []byte, relay bool) {
		role := mesh.Listener
		if relay {
			role = mesh.Relay
		}
		r := newRig(t, role, 1_000_000)
		r.feedFrom(1, epoch, 0)
		r.meet(2)
		r.from(1, r.manifest(epoch, 0, 2))
		r.chunks(1, epoch, 0, 1)
		for len(script) > 1 {
			b := script[1:]
			b = b[:min(len(b), 1+int(script[0]))]
			script = script[1+len(b):]
			_, _ = r.s.HandleMessage(r.now, mesh.PeerID(1+len(script)%2), b[0], b[1:], &r.out)
			r.out.Reset()
		}
		r.run(2 * time.Second)
	})
}
