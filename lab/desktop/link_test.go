// SPDX-License-Identifier: MIT

//go:build lab && linux

// Package desktop has a real browser open station links, on a desktop that `streamer install` was run on. It needs a display
// that is not there (Xvfb), and leaves the home directory and the settings of whoever runs it alone.
package desktop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Who never broadcasts, and what is no station at all.
const (
	silent  = "baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hostile = `streamerp2p:--data-dir=evil"'$(touch evil);x`
)

// waitTime is for what takes a second on a machine with nothing else to do: a browser's start most of all.
const waitTime = time.Minute

// A seat is a desktop with somebody before it.
type seat struct {
	t        *testing.T
	dir      string
	env      []string
	streamer string
	http     string // where the node of the seat serves
}

// A link in a web page starts a node that plays the station; with one running, it is handed over; what is no link does
// nothing. Each time the browser shows the station's page.
func TestBrowserOpensLinks(t *testing.T) {
	s := newSeat(t)
	s.run(s.streamer, "install")
	station, link := s.broadcast()

	clicks := s.browse([]string{link, hostile, "streamerp2p:" + silent})
	clicks()
	s.await("a node that plays the station", func() bool { return s.tuned()[station] })
	s.await("the station's page", func() bool { return s.shown() == s.http+"/#/station/"+station+"\n" })
	node := s.status().NodeID

	clicks() // the hostile one
	clicks()
	s.await("the running node to tune in", func() bool { _, there := s.tuned()[silent]; return there })
	s.await("the second station's page", func() bool { return strings.HasSuffix(s.shown(), "\n"+s.http+"/#/station/"+silent+"\n") })
	if st := s.status(); st.NodeID != node || len(st.Tuned) != 2 {
		t.Errorf("node %s is tuned to %v; it was node %s", st.NodeID, st.Tuned, node)
	}
	if n := strings.Count(s.shown(), "\n"); n != 2 {
		t.Errorf("%d pages were shown, want 2: %s", n, s.shown())
	}
	err := filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(path), "evil") {
			t.Errorf("the hostile link made %s", path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) { // the browser's own files come and go
		t.Error(err)
	}
	s.run(s.streamer, "uninstall")
	if got := s.run("xdg-mime", "query", "default", "x-scheme-handler/streamerp2p"); strings.TrimSpace(got) != "" {
		t.Errorf("after uninstall links open with %s", got)
	}
}

// newSeat makes a home, a display, and a browser for web pages that only notes which.
func newSeat(t *testing.T) *seat {
	for _, tool := range []string{"Xvfb", "chromium", "xdotool", "xdg-open", "gio", "xdg-mime", "ffmpeg"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v (tools/deps.sh installs it)", err)
		}
	}
	dir, err := os.MkdirTemp("", "streamer-lab-desktop-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &seat{t: t, dir: dir, streamer: filepath.Join(dir, "streamer"), http: "http://" + freePort(t)}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "XDG_") && !strings.HasPrefix(e, "STREAMER_") && !strings.HasPrefix(e, "BROWSER=") {
			s.env = append(s.env, e)
		}
	}
	// By itself, without a desktop's opener, xdg-open 1.1.3 takes a link whose scheme has a digit for a file
	// (https://bugs.freedesktop.org/show_bug.cgi?id=104973).
	s.env = append(s.env, "XDG_CURRENT_DESKTOP=GNOME", "HOME="+dir, "XDG_CONFIG_HOME="+dir+"/config", "XDG_DATA_HOME="+dir+"/share", "DBUS_SESSION_BUS_ADDRESS=disabled:",
		"STREAMER_HTTP="+strings.TrimPrefix(s.http, "http://"), "STREAMER_PORT=0", "STREAMER_NO_LAN=1", "STREAMER_NO_DHT=1", "STREAMER_NO_PORTMAP=1")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", s.streamer, "../../cmd/streamer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.write("share/applications/notes.desktop", "[Desktop Entry]\nType=Application\nName=Notes\nExec="+dir+"/notes %u\nMimeType=x-scheme-handler/http;\n")
	s.write("config/mimeapps.list", "[Default Applications]\nx-scheme-handler/http=notes.desktop\n")
	s.write("notes", "#!/bin/sh\necho \"$1\" >>"+dir+"/shown\n")

	display, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.start(func(c *exec.Cmd) { c.ExtraFiles = []*os.File{theirs} }, "Xvfb", "-displayfd", "3", "-screen", "0", "800x600x24", "-nolisten", "tcp")
	_ = theirs.Close()
	number := make([]byte, 16)
	n, err := display.Read(number)
	if err != nil {
		t.Fatalf("Xvfb tells no display: %v", err)
	}
	s.env = append(s.env, "DISPLAY=:"+strings.TrimSpace(string(number[:n])))
	// The node was started by a click, and is nobody's child.
	t.Cleanup(func() {
		stop := exec.CommandContext(context.Background(), s.streamer, "stop")
		stop.Env = s.env
		_ = stop.Run()
	})
	return s
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (s *seat) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil { //nolint:gosec // one of them is a program
		s.t.Fatal(err)
	}
}

// run runs a program to its end.
func (s *seat) run(name string, args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), name, args...)
	cmd.Env, cmd.Dir = s.env, s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Errorf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// start runs a program until the test ends; then it and what it started in its session are killed.
func (s *seat) start(set func(*exec.Cmd), name string, args ...string) {
	s.t.Helper()
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Env, cmd.Dir = s.env, s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if set != nil {
		set(cmd)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
}

// broadcast puts a tone on the air, from another node.
func (s *seat) broadcast() (station, link string) {
	s.run("ffmpeg", strings.Fields("-v error -f lavfi -i sine=d=60 -ac 2 -b:a 128k tone.mp3")...)
	s.start(nil, s.streamer, "broadcast", "tone.mp3", "--name", "Tone", "--http", "127.0.0.1:0", "--data-dir", "studio", "--ready-file", "studio.json")
	var ready struct {
		Station string `json:"station_id"`
		UDP     int
	}
	s.await("a station on the air", func() bool {
		b, err := os.ReadFile(filepath.Join(s.dir, "studio.json"))
		return err == nil && json.Unmarshal(b, &ready) == nil && ready.Station != ""
	})
	return ready.Station, fmt.Sprintf("streamerp2p://%s?name=Tone&peer=127.0.0.1:%d", ready.Station, ready.UDP)
}

// browse shows a page that is one large link in a real browser, and returns what clicks on it: on the first link, then on the
// second, and so on. That links may be opened from this page was allowed for ever, as the browser's own question offers.
func (s *seat) browse(links []string) (click func()) {
	list, err := json.Marshal(links)
	if err != nil {
		s.t.Fatal(err)
	}
	events := make(chan string, 16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			events <- r.URL.Path
			return
		}
		fmt.Fprintf(w, `<!doctype html><a style="position:fixed;inset:0;background:#fc8">listen</a><script>
			const links = %s, a = document.querySelector("a");
			const say = (what) => fetch("/" + what, {method: "POST"});
			a.href = links.shift();
			a.addEventListener("click", () => setTimeout(() => { a.href = links.shift() ?? "#"; say("clicked"); }, 0));
			requestAnimationFrame(() => requestAnimationFrame(() => say("shown")));</script>`, list)
	}))
	s.t.Cleanup(server.Close)
	s.write("profile/Default/Preferences", fmt.Sprintf(`{"protocol_handler": {"allowed_origin_protocol_pairs": {%q: {"streamerp2p": true}}}}`, server.URL))
	s.start(nil, "chromium", "--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--password-store=basic", "--user-data-dir="+s.dir+"/profile", "--window-position=0,0", "--window-size=800,600", "--app="+server.URL)
	heard := func(want string) {
		s.t.Helper()
		select {
		case got := <-events:
			if got != want {
				s.t.Fatalf("the page says %s, want %s", got, want)
			}
		case <-time.After(waitTime):
			s.t.Fatalf("the page does not say %s", want)
		}
	}
	heard("/shown")
	return func() {
		s.t.Helper()
		s.run("xdotool", "mousemove", "400", "400", "click", "1")
		heard("/clicked")
	}
}

// A status is what the test needs of the node's.
type status struct {
	NodeID string `json:"node_id"`
	Tuned  []struct {
		ID     string
		Online bool
	}
}

// status is that of the node of this seat; empty while none answers.
func (s *seat) status() (st status) {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.http+"/api/v1/status", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return st
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || json.Unmarshal(b, &st) != nil {
		return status{}
	}
	return st
}

// tuned are the stations of the node of this seat, and whether they are heard.
func (s *seat) tuned() map[string]bool {
	stations := map[string]bool{}
	for _, t := range s.status().Tuned {
		stations[t.ID] = t.Online
	}
	return stations
}

// shown are the pages that the node had shown, one a line.
func (s *seat) shown() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "shown")) // none yet
	return string(bytes.TrimLeft(b, "\n"))
}

func (s *seat) await(what string, there func() bool) {
	s.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(waitTime)
	for !there() {
		select {
		case <-tick.C:
		case <-late:
			s.t.Fatalf("after %v there is not %s; shown: %q, status: %+v", waitTime, what, s.shown(), s.status())
		}
	}
}
