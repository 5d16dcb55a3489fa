// SPDX-License-Identifier: MIT

package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"streamer/internal/codec"
	"streamer/internal/daemon"
)

// A journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// until asks again and again until there is an answer.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("never: " + what)
		}
	}
}

// lists waits until a node lists a station, and returns what it says of it.
func lists(t *testing.T, r *running, name string) (found daemon.StationInfo) {
	t.Helper()
	client := r.client(t)
	until(t, "a list with "+name, func() bool {
		list, err := client.Stations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.Name == name {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

func find(t *testing.T, r *running, name string, within time.Duration) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), within, errNotFound)
	defer cancel()
	link, err := r.Find(ctx, name)
	return link.Station.String(), err
}

var errNotFound = errors.New("not found in time")

func broadcastOf(sound, name string) *daemon.BroadcastOptions {
	return &daemon.BroadcastOptions{Inputs: []string{sound}, Info: codec.Event{StationName: name, Genre: "ambient"}}
}

// Two nodes that know nothing but a seed: one is on the air, the other lists it, finds it by name, and hears it.
func TestStationIsFoundByName(t *testing.T) {
	t.Parallel()
	sound, whole := makeMP3(t, 20)
	seed := start(t, daemon.Options{})
	source := start(t, daemon.Options{Seeds: []string{seed.peer()}, Broadcast: broadcastOf(sound, "Radio Nord")})
	listener := start(t, daemon.Options{Seeds: []string{seed.peer()}})

	s := lists(t, listener, "Radio Nord")
	if s.ID != source.ready.StationID || s.Genre != "ambient" || s.Codec != "mp3" || s.BitrateBPS != 128_000 || !s.Online ||
		s.LastAliveS == nil {
		t.Errorf("listed as %+v", s)
	}
	if id, err := find(t, listener, "radio NORD", patience); err != nil || id != source.ready.StationID {
		t.Errorf("found %s, %v", id, err)
	}
	if id, err := find(t, listener, "Radio", 300*time.Millisecond); !errors.Is(err, errNotFound) {
		t.Errorf("a part of the name found %s, %v", id, err)
	}
	mustContain(t, whole, record(t, listener, source.ready.StationID, 2*second128))
	until(t, "the listener counted by the seed", func() bool { return lists(t, seed, "Radio Nord").Listeners >= 1 })

	// A polite end is known at once, to those who listened, too.
	source.stop()
	for name, r := range map[string]*running{"seed": seed, "listener": listener} {
		until(t, "the "+name+" knows the end", func() bool { return !lists(t, r, "Radio Nord").Online })
	}
}

// A station that nobody listened to tells its end, too.
func TestEndIsTold(t *testing.T) {
	t.Parallel()
	sound, _ := makeMP3(t, 20)
	seed := start(t, daemon.Options{})
	source := start(t, daemon.Options{Seeds: []string{seed.peer()}, Broadcast: broadcastOf(sound, "Radio Nord")})
	lists(t, seed, "Radio Nord")
	source.stop()
	until(t, "the seed knows the end", func() bool { return !lists(t, seed, "Radio Nord").Online })
}

// Names prove nothing: of two stations of one name none is chosen.
func TestAmbiguousName(t *testing.T) {
	t.Parallel()
	sound, _ := makeMP3(t, 20)
	seed := start(t, daemon.Options{})
	for range 2 {
		start(t, daemon.Options{Seeds: []string{seed.peer()}, Broadcast: broadcastOf(sound, "Twins")})
	}
	until(t, "two stations", func() bool {
		list, err := seed.client(t).Stations(t.Context())
		return err == nil && len(list) == 2
	})
	if id, err := find(t, seed, "twins", patience); !errors.Is(err, daemon.ErrAmbiguous) {
		t.Errorf("found %s, %v", id, err)
	}
}

// What a node knew when it ended it knows at its next start, without a seed; and so it plays.
func TestHostsAreKept(t *testing.T) {
	t.Parallel()
	sound, whole := makeMP3(t, 30)
	source := start(t, daemon.Options{Broadcast: broadcastOf(sound, "Radio Nord")})
	data := filepath.Join(t.TempDir(), "data")
	first := start(t, daemon.Options{DataDir: data, Seeds: []string{source.peer()}})
	lists(t, first, "Radio Nord")
	first.stop()
	path := filepath.Join(data, "hosts.json")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%s: %v, %v", path, info, err)
	}
	second := start(t, daemon.Options{DataDir: data})
	if id, err := find(t, second, "Radio Nord", patience); err != nil || id != source.ready.StationID {
		t.Errorf("found %s, %v", id, err)
	}
	mustContain(t, whole, record(t, second, source.ready.StationID, second128))
	third := start(t, daemon.Options{})
	if list, err := third.client(t).Stations(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("a node that knows nobody lists %v, %v", list, err)
	}
}

// A run that met nobody leaves what is kept as it is.
func TestLonelyRunKeepsTheHosts(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	path := filepath.Join(data, "hosts.json")
	if err := daemon.WriteHosts(path, someHosts()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		start(t, daemon.Options{DataDir: data}).stop()
		if kept, err := daemon.ReadHosts(path); err != nil || len(kept.Hosts) != len(someHosts().Hosts) {
			t.Errorf("%d hosts are left, %v", len(kept.Hosts), err)
		}
	}
}

// A damaged file is warned of, by name, and left as it is; the node runs without it.
func TestDamagedHostsFileIsLeftAlone(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	path := filepath.Join(data, "hosts.json")
	damaged := []byte(`{"hosts":[{"addr":"192.0.2.1:8466"`)
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	sound, _ := makeMP3(t, 10)
	source := start(t, daemon.Options{Broadcast: broadcastOf(sound, "Radio Nord")})
	var log journal
	r := start(t, daemon.Options{DataDir: data, Seeds: []string{source.peer()}, Log: log.logger()})
	lists(t, r, "Radio Nord")
	r.stop()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, damaged) {
		t.Errorf("the file is %q now, %v", got, err)
	}
	if text := log.String(); !strings.Contains(text, path) || strings.Contains(text, "level=ERROR") {
		t.Errorf("the log does not name the file, or has more than a warning: %s", text)
	}
}

// Only who asks for it has the same identity twice.
func TestNodeIdentity(t *testing.T) {
	t.Parallel()
	nodeID := func(opts daemon.Options) string {
		r := start(t, opts)
		defer r.stop()
		s, err := r.client(t).Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.NodeID
	}
	data := t.TempDir()
	first, second := nodeID(daemon.Options{DataDir: data, KeepNodeKey: true}), nodeID(daemon.Options{DataDir: data, KeepNodeKey: true})
	if first != second {
		t.Errorf("kept, and yet %s is %s", first, second)
	}
	third, fourth := nodeID(daemon.Options{DataDir: data}), nodeID(daemon.Options{DataDir: data})
	if third == first || third == fourth {
		t.Errorf("not kept, and yet %s, %s, %s", first, third, fourth)
	}
}
