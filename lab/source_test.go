// SPDX-License-Identifier: MIT

//go:build lab && linux

package lab

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// TestSilentSource: the broadcaster's tool stalls, reconnects and changes the format. Its station stays on the air.
func TestSilentSource(t *testing.T) {
	beside(t)
	n := netlab.New(t, 8)
	m := newMusic(t, n, 128, 2*time.Minute)
	source := startNode(t, n.Host(t, "source", broadband, netlab.Line{}), "source",
		"broadcast", "--source", "127.0.0.1:0", "--source-password", "hackme")
	tools := 0
	tool := func(args ...string) *netlab.Process {
		t.Helper()
		tools++
		args = append([]string{"ffmpeg", "-nostdin", "-v", "warning", "-re", "-i", m.path, "-map", "0:a"}, args...)
		p, err := source.host.Start(netlab.Command{
			Name: "ffmpeg" + string(rune('0'+tools)),
			Args: append(args, "icecast://source:hackme@"+source.ready.Source+"/live"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	mp3 := []string{"-c", "copy", "-f", "mp3", "-content_type", "audio/mpeg"}
	first := tool(mp3...)
	listener := startNode(t, n.Host(t, "listener", broadband, netlab.Line{}), "listener",
		"listen", source.link(source), "--player", "none")
	awaitAudio(t, 20*time.Second, time.Second, listener)
	goesOn := func(what string) {
		t.Helper()
		before := received(t, listener)
		took := await(t, 20*time.Second, "audio after "+what, func() bool { return received(t, listener) > before+20 })
		t.Logf("%s: 20 more chunks after %v; %v", what, took.Round(time.Millisecond), listener.station(t))
	}
	rec := record(t, listener, source.ready.StationID, filepath.Join(n.Dir, "stalls.mp3"))
	pass(t, 3*time.Second)

	signal(t, first, syscall.SIGSTOP)
	pass(t, 5*time.Second)
	signal(t, first, syscall.SIGCONT)
	goesOn("a stall of 5 s")
	pass(t, 3*time.Second)
	first.Kill()
	pass(t, 3*time.Second)
	second := tool(mp3...)
	goesOn("a reconnect after 3 s")
	pass(t, 3*time.Second)

	got := rec.stop(t)
	jumps, strangers := pieces(got, m)
	if len(strangers) > 0 || len(jumps) != 1 || len(got) < int(8*time.Second/mp3Frame) {
		t.Errorf("recording of %d frames over a stall and a reconnect: %d frames are not in the music, jumps at %v; want one jump",
			len(got), len(strangers), jumps)
	}

	second.Kill()
	tool("-c:a", "libvorbis", "-f", "ogg", "-content_type", "application/ogg")
	await(t, 20*time.Second, "the listener is told of Vorbis", func() bool {
		return strings.Contains(strings.ToLower(listener.station(t).Codec), "vorbis")
	})
	goesOn("another format")
	ogg := record(t, listener, source.ready.StationID, filepath.Join(n.Dir, "format.ogg"))
	pass(t, 5*time.Second)
	if got := len(ogg.stop(t)); got < 100 {
		t.Errorf("5 s of Vorbis are %d packets", got)
	}
	if s := listener.station(t); s.Chunks.Missing != 0 {
		t.Errorf("%d chunks are missing: %v", s.Chunks.Missing, s)
	}
}

func signal(t *testing.T, p *netlab.Process, s syscall.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}
