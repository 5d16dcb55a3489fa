// SPDX-License-Identifier: MIT

package daemon_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"streamer/internal/codec"
	"streamer/internal/daemon"
	"streamer/internal/identity"
)

// playWith starts a broadcast tool that plays a file in real time.
func playWith(t *testing.T, to *running, sound string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	tool := exec.CommandContext(ctx, "ffmpeg", "-v", "fatal", "-re", "-i", sound, "-c", "copy", "-f", "mp3",
		"-id3v2_version", "0", "-write_xing", "0", "-content_type", "audio/mpeg",
		"icecast://source:secret@"+to.ready.Source+"/live")
	tool.Stderr = t.Output()
	if err := tool.Start(); err != nil {
		cancel()
		t.Fatalf("ffmpeg: %v (apt-get install ffmpeg)", err)
	}
	return func() {
		cancel()
		_ = tool.Wait() // killed
	}
}

func makeMP3(t *testing.T, seconds int, args ...string) (path string, whole []byte) {
	t.Helper()
	path = makeSound(t, "sound.mp3", seconds, append(args, "-b:a", "128k", "-id3v2_version", "0", "-write_xing", "0")...)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, whole
}

func mustContain(t *testing.T, whole, got []byte) {
	t.Helper()
	if !bytes.Contains(whole, got) {
		t.Errorf("what was heard (%d bytes) is no part of the file (%d bytes)", len(got), len(whole))
	}
}

const second128 = 16000 // bytes of a second at 128 kbit/s

// A broadcast tool plays a file into one daemon; two more carry it on; what the last one plays is the file, bit for bit.
// Both relay and listener record their calls, and replaying them gives every byte of output again.
func TestChainPlaysWhatWentIn(t *testing.T) {
	t.Parallel()
	sound, whole := makeMP3(t, 30)
	records := t.TempDir()
	source := start(t, daemon.Options{
		Broadcast: &daemon.BroadcastOptions{
			Source: "127.0.0.1:0", Password: "secret", Info: codec.Event{StationName: "Chain", Genre: "Test"},
		},
		Record: filepath.Join(records, "source"),
	})
	relay := start(t, daemon.Options{
		Relay:  []identity.Link{source.linkVia(t, source)},
		Record: filepath.Join(records, "relay"),
	})
	listener := start(t, daemon.Options{
		Listen: []identity.Link{source.linkVia(t, relay)},
		Record: filepath.Join(records, "listener"),
	})
	stop := playWith(t, source, sound)
	defer stop()

	mustContain(t, whole, record(t, listener, source.ready.StationID, 8*second128))
	mustContain(t, whole, record(t, source, source.ready.StationID, second128))
	checkChainStatus(t, source, relay, listener)
	listener.stop()
	relay.stop()
	source.stop()
	for _, name := range []string{"source", "relay", "listener"} {
		path := filepath.Join(records, name)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v; a record holds secrets", name, info.Mode(), err)
		}
		if calls, err := daemon.Replay(path); err != nil || calls < 100 {
			t.Errorf("replay of the %s: %d calls, %v", name, calls, err)
		}
	}
}

func checkChainStatus(t *testing.T, source, relay, listener *running) {
	t.Helper()
	for _, want := range []struct {
		name    string
		r       *running
		role    string
		hopsMin int // the listener may have found the source
		hopsMax int
	}{{"source", source, "source", 0, 0}, {"relay", relay, "relay", 1, 2}, {"listener", listener, "listener", 1, 2}} {
		s, err := want.r.client(t).Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Tuned) != 1 {
			t.Fatalf("%s carries %d stations", want.name, len(s.Tuned))
		}
		got := s.Tuned[0]
		if got.ID != source.ready.StationID || got.Role != want.role || !got.Online || got.Name != "Chain" ||
			got.Hops == nil || *got.Hops < want.hopsMin || *got.Hops > want.hopsMax || got.Chunks.Missing != 0 {
			t.Errorf("%s: %+v", want.name, got)
		}
		if s.UDPPort != want.r.ready.UDP || s.Version != "test" || s.NodeID == "" || s.Reachability != "unknown" {
			t.Errorf("%s: %+v", want.name, s)
		}
		list, err := want.r.client(t).Stations(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: stations %v, %v", want.name, list, err)
		}
		if want.r == relay { // it hears nothing of what it carries
			continue
		}
		if got.Codec != "mp3" {
			t.Errorf("%s: codec %q", want.name, got.Codec)
		}
		if st := list[0]; st.Genre != "Test" || !st.Online || st.Listeners < 1 || st.Link == "" {
			t.Errorf("%s: station %+v", want.name, st)
		}
	}
}

// A source whose input ends ends: the stream's end is signed, all of it is heard, and Run returns. When it returns under the
// same key, players go on by themselves. Nothing here depends on how soon anything happens.
func TestBroadcasterReturns(t *testing.T) {
	t.Parallel()
	_, pass := makeMP3(t, 2)
	later, wholeLater := makeMP3(t, 40, "-af", "volume=0.5")
	data := filepath.Join(t.TempDir(), "data")
	opts := func(port int, input string, stdin io.Reader) daemon.Options {
		b := &daemon.BroadcastOptions{Inputs: []string{input}, Stdin: stdin, Once: true}
		return daemon.Options{DataDir: data, Port: port, Broadcast: b}
	}
	heard := make(chan struct{})
	first := start(t, opts(0, "-", repeated(t, pass, heard)))
	listener := start(t, daemon.Options{Listen: []identity.Link{first.linkVia(t, first)}})
	player := play(t, listener, first.ready.StationID)
	got := player.read(t, second128)
	close(heard)
	select {
	case err := <-first.ended:
		first.ended <- err
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("a broadcast does not end with its input")
	}
	again := start(t, opts(first.ready.UDP, later, nil))
	if again.ready.StationID != first.ready.StationID {
		t.Fatal("the station has another id after a restart")
	}
	const piece = second128 / 4
	for !bytes.Contains(wholeLater, got[len(got)-piece:]) {
		got = append(got, player.read(t, piece)...)
	}
	end := len(got) - piece
	for at := bytes.Index(wholeLater, got[end:]); end > 0 && at > 0 && got[end-1] == wholeLater[at-1]; at-- {
		end--
	}
	if passes := bytes.Repeat(pass, end/len(pass)+2); !bytes.HasSuffix(passes, got[:end]) {
		t.Errorf("the first broadcast was not heard to its end (%d bytes of it)", end)
	}
}

// repeated gives a sound again and again, and its end after the pass in which done is closed.
func repeated(t *testing.T, pass []byte, done <-chan struct{}) io.Reader {
	t.Helper()
	r, w := io.Pipe()
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-done:
				_ = w.Close()
				return
			default:
			}
			if _, err := w.Write(pass); err != nil {
				return // the test is over
			}
		}
	})
	t.Cleanup(func() { _ = r.Close(); writing.Wait() })
	return r
}
