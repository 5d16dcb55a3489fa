// SPDX-License-Identifier: MIT

package web_test

import (
	"bufio"
	"encoding/json"
	"encoding/xml"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"streamer/internal/identity"
	"streamer/internal/web"
)

// evil are texts that a broadcaster may send, and what each would be good for.
var evil = []string{
	`<script>alert(1)</script>`, // markup
	`"><img src=x onerror=alert(1)>`,
	`</script><!--`,
	"x\n\nevent: status\ndata: {}\n\n", // an event of its own
	"x\r\nSet-Cookie: a=b",             // a header of its own
	"x\nstreamer_peers 1e9",            // a metric of its own
	"a\u2028b\u2029c\u0085d",           // ends of lines in some languages
	"\u202egpj.exe",                    // text that is shown backwards
	"\xff\xfe\x00\x1b[2J",              // no UTF-8, and a terminal's command
	"{{.Token}}",                       // a template
	"javascript:alert(1)", "data:text/html,<script>alert(1)</script>",
	strings.Repeat("long ", 500),
}

// hostile is a node whose stations say s in every field that is theirs.
func hostile(s string) func(*web.Snapshot) {
	return func(snap *web.Snapshot) {
		st := snap.Stations[0]
		st.Name, st.Genre, st.Description, st.URL, st.Title, st.Codec = s, s, s, s, s, s
		snap.Stations = []web.Station{st}
		snap.Playing = []web.Playing{{Titles: []web.Title{{Text: s, Title: s, Artist: s}}}}
		snap.Portmap.IPv4.Words, snap.Portmap.IPv4.External = s, s // a router's
		snap.Pictures[0].Parents[0].Above = []string{s}
	}
}

// Whatever a station says comes out as data: the same text (or what is left of it as UTF-8), with nothing in it that a browser takes
// for markup, in answers that browsers take for what they are said to be.
func TestHostileTexts(t *testing.T) {
	for _, s := range evil {
		want := strings.ToValidUTF8(s, "\ufffd")
		site := newSite(t)
		site.backend.set(hostile(s))
		for _, path := range []string{
			"/api/v1/status", "/api/v1/stations", "/api/v1/stations/" + stationID.String(), "/api/v1/stations/" + stationID.String() + "/titles",
			"/netstatus.json",
		} {
			a := site.ask(t, "GET", path, "")
			body := text(t, a)
			harmless(t, path, a, body)
			if !json.Valid([]byte(body)) || !utf8.ValidString(body) {
				t.Errorf("%s with %q is no JSON", path, s)
			}
		}
		st := decode(t, text(t, site.ask(t, "GET", "/api/v1/stations/"+stationID.String(), "")))
		for _, field := range []string{"name", "genre", "description", "url", "title", "codec"} {
			if got := st[field]; !sameText(got, want) {
				t.Errorf("%s: got %q, want %q", field, got, want)
			}
		}
		hostileEvents(t, site, want)
		for _, path := range []string{"/metrics", "/netstatus", "/", "/api/v1/stations/" + stationID.String() + "/qr.svg"} {
			if body := text(t, site.ask(t, "GET", path, "")); strings.Contains(body, s) && s != "{{.Token}}" {
				t.Errorf("%s repeats %q", path, s)
			}
		}
	}
}

// sameText compares but for how bytes that are no UTF-8 came out.
func sameText(got any, want string) bool {
	s, ok := got.(string)
	return ok && strings.ReplaceAll(s, "\ufffd", "") == strings.ReplaceAll(want, "\ufffd", "")
}

// harmless checks what goes with an answer, and that it holds nothing that a browser could take for markup.
func harmless(t *testing.T, path string, a answer, body string) {
	t.Helper()
	if a.code != 200 || a.header.Get("Content-Type") != "application/json" || a.header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'") || a.header.Get("Set-Cookie") != "" {
		t.Errorf("%s: %d %v", path, a.code, a.header)
	}
	if strings.ContainsAny(body, "<>") || strings.Contains(body, "\u2028") || strings.Contains(body, "\x1b") {
		t.Errorf("%s: %q", path, body)
	}
}

// hostileEvents reads the first events: each is one, with one line of data.
func hostileEvents(t *testing.T, site *site, want string) {
	t.Helper()
	r := bufio.NewReader(site.ask(t, "GET", "/api/v1/events", "").body)
	var lines []string
	for len(lines) == 0 || !strings.HasPrefix(lines[len(lines)-1], `data: {"id":`) {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line != "\n" && line != "retry: 2000\n" {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	for i, name := range []string{"status", "stations", "settings", "titles"} {
		if lines[2*i] != "event: "+name || !strings.HasPrefix(lines[2*i+1], "data: ") || len(lines) != 8 {
			t.Fatalf("got %q", lines)
		}
	}
	var titles struct{ Titles []struct{ Text string } }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(lines[7], "data: ")), &titles); err != nil || !sameText(titles.Titles[0].Text, want) {
		t.Errorf("%v: got %q, want %q", err, lines[7], want)
	}
}

// A page may do what it needs, and nothing of it with what is not the node's own.
func TestPolicy(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/", "/assets/icon.svg", "/api/v1/status", "/api/v1/stations/" + stationID.String() + "/qr.svg", "/nowhere"} {
		got := map[string]string{}
		for part := range strings.SplitSeq(s.ask(t, "GET", path, "").header.Get("Content-Security-Policy"), "; ") {
			name, value, _ := strings.Cut(part, " ")
			got[name] = value
		}
		for name, value := range got {
			if value != "'self'" && value != "'none'" {
				t.Errorf("%s: %s %s", path, name, value)
			}
		}
		for _, name := range []string{"default-src", "base-uri", "form-action", "frame-ancestors"} {
			if got[name] != "'none'" {
				t.Errorf("%s: %s is %q", path, name, got[name])
			}
		}
	}
}

// Links of stations, however long their hints, are codes that a reader reads.
func TestQR(t *testing.T) {
	long := identity.Link{Station: stationID, Name: strings.Repeat("n", identity.LinkNameBytesMax)}
	for range identity.LinkPeersMax {
		long.Peers = append(long.Peers, "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535")
	}
	short := identity.Link{Station: stationID, Name: "<b>&'", Peers: []string{"192.0.2.1:8466"}}
	for _, link := range []string{short.String(), long.String(), "streamerp2p://" + stationID.String() + "?name=" + strings.Repeat("x", 5000)} {
		s := newSite(t)
		s.backend.set(func(snap *web.Snapshot) { snap.Stations[0].Link = link })
		a := s.ask(t, "GET", "/api/v1/stations/"+stationID.String()+"/qr.svg", "")
		svg := text(t, a)
		if a.code != 200 || a.header.Get("Content-Type") != "image/svg+xml" {
			t.Fatalf("got %d %q", a.code, a.header.Get("Content-Type"))
		}
		want := link
		if len(link) > 2953 { // bytes in the largest code, ISO/IEC 18004 table 7
			want = "streamerp2p://" + stationID.String()
		}
		if got := readQR(t, svg); got != want {
			t.Errorf("a reader reads %.200q, want %.200q", got, want)
		}
	}
	if a := newSite(t).ask(t, "GET", "/api/v1/stations/"+identity.NewStationKey([32]byte{77}).ID().String()+"/qr.svg", ""); a.code != 404 {
		t.Errorf("of a station that nobody knows: %d", a.code)
	}
}

// readQR draws the picture and has a reader read it.
func readQR(t *testing.T, svg string) string {
	t.Helper()
	var doc struct {
		ViewBox string `xml:"viewBox,attr"`
		Paths   []struct {
			D string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.NewDecoder(strings.NewReader(svg)).Decode(&doc); err != nil || len(doc.Paths) != 2 {
		t.Fatalf("%v in %.200s", err, svg)
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const scale = 4
	size := number(strings.Fields(doc.ViewBox)[2])
	img := image.NewGray(image.Rect(0, 0, size*scale, size*scale))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	runs := regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-\d+z`)
	for _, m := range runs.FindAllStringSubmatch(doc.Paths[1].D, -1) {
		x, y, n := number(m[1]), number(m[2]), number(m[3])
		for dy := range scale {
			for dx := range n * scale {
				img.SetGray(x*scale+dx, y*scale+dy, color.Gray{})
			}
		}
	}
	path := filepath.Join(t.TempDir(), "qr.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(png.Encode(f, img), f.Close()); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "zbarimg", "-q", "--raw", "--nodbus", path).Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatal("zbarimg is missing: apt-get install zbar-tools (make test does)")
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// The settings say what is wrong with what they are sent, and nothing is done.
func TestSettingsRequests(t *testing.T) {
	for _, c := range []struct {
		name, body string
		fixed      bool
		code       int
	}{
		{"nothing", `{}`, false, 200},
		{"limit", `{"upload_bps":128000}`, false, 200},
		{"as measured", `{"upload_bps":null}`, false, 200},
		{"metered", `{"metered_upload":true}`, true, 200},
		{"fixed", `{"upload_bps":1}`, true, 409},
		{"below zero", `{"upload_bps":-1}`, false, 400},
		{"a fraction", `{"upload_bps":1.5}`, false, 400},
		{"too much", `{"upload_bps":1e13}`, false, 400},
		{"text", `{"upload_bps":"auto"}`, false, 400},
		{"list", `[]`, false, 400},
		{"unknown", `{"uploadbps":1}`, false, 400},
		{"no JSON", `upload`, false, 400},
		{"too long", `{"x":"` + strings.Repeat("x", 70<<10) + `"}`, false, 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.backend.set(func(snap *web.Snapshot) { snap.Settings.UploadFixed = c.fixed })
			a := s.ask(t, "PATCH", "/api/v1/settings", c.body, "Content-Type", "application/json")
			body := text(t, a)
			if a.code != c.code || a.code != 200 && decode(t, body)["error"] == "" {
				t.Errorf("got %d %s, want %d", a.code, body, c.code)
			}
			if a.code != 200 && len(s.backend.asked()) > 0 {
				t.Errorf("the node was asked %q", s.backend.asked())
			}
			if now := text(t, s.ask(t, "GET", "/api/v1/settings", "")); a.code == 200 && now != body {
				t.Errorf("answered %s, then %s", body, now)
			}
		})
	}
	s := newSite(t)
	if a := s.ask(t, "PATCH", "/api/v1/settings", `{}`, "Content-Type", "text/plain"); a.code != 415 {
		t.Errorf("no JSON by its type: %d", a.code)
	}
}

// Who was refused is counted by why.
func TestRefusedAreCounted(t *testing.T) {
	s := newSite(t)
	for _, headers := range [][]string{{"Host", "evil.example"}, {"Origin", "http://evil.example"}, {web.TokenHeader, "x"}, {web.TokenHeader, "y"}} {
		_, _ = io.Copy(io.Discard, s.ask(t, "POST", "/api/v1/stop", "", headers...).body)
	}
	body := text(t, s.ask(t, "GET", "/metrics", ""))
	for _, want := range []string{`{reason="host"} 1`, `{reason="site"} 1`, `{reason="password"} 0`, `{reason="token"} 2`} {
		if !strings.Contains(body, "streamer_requests_refused_total"+want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
}
