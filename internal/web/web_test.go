// SPDX-License-Identifier: MIT

package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"streamer/internal/identity"
	"streamer/internal/mesh"
	"streamer/internal/node"
	"streamer/internal/reach"
	"streamer/internal/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "THE-TOKEN"

var stationID = identity.NewStationKey([32]byte{1}).ID()

// A backend is a node that is what the test says.
type backend struct {
	mu    sync.Mutex
	snap  web.Snapshot
	err   error
	calls []string
}

func (b *backend) did(call string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, call)
	return b.err
}

// asked is what the node was asked to do so far.
func (b *backend) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls)
}

func (b *backend) set(change func(*web.Snapshot)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.snap)
}

func (b *backend) Snapshot(context.Context) (web.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.snap, b.err
}

func (b *backend) Tune(_ context.Context, l identity.Link, role node.Role) error {
	return b.did("tune " + l.String() + map[node.Role]string{node.RoleListener: " listener", node.RoleRelay: " relay"}[role])
}

func (b *backend) Untune(_ context.Context, id identity.StationID) (bool, error) {
	return id == stationID, b.did("untune " + id.String())
}

func (b *backend) ChangeSettings(_ context.Context, c web.SettingsChange) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.UploadBPS != nil {
		if b.snap.Settings.UploadFixed {
			return web.ErrUploadFixed
		}
		b.snap.Settings.UploadBPS = *c.UploadBPS
	}
	if c.MeteredUpload != nil {
		b.snap.Settings.MeteredUpload = *c.MeteredUpload
	}
	b.snap.Settings.Saved = true
	b.calls = append(b.calls, "change")
	return b.err
}

func (b *backend) MeasureUpload(context.Context) error { return b.did("measure") }

func (b *backend) Stop() { _ = b.did("stop") }

func (b *backend) Healthy(context.Context) error { return b.err }

// snapshot is a node with everything filled in, and texts that nobody should trust.
func snapshot() web.Snapshot {
	peer := node.PeerStatus{
		NodeID: identity.NewNodeKey([32]byte{2}).Public(), Addr: netip.MustParseAddrPort("[2001:db8::1]:8466"), Classes: 0x8421,
		RTT: 40 * time.Millisecond, LAN: true,
	}
	return web.Snapshot{
		Version: "1.2.3", UDPPort: 8466, Uptime: 90 * time.Second,
		HostsKnown: 7, HostsAlive: 3,
		Portmap: web.Portmap{IPv4: web.PortmapState{State: "mapped", Protocol: "PCP", External: "192.0.2.1:8466", Words: "open"}},
		Node: node.Status{
			NodeID: identity.NewNodeKey([32]byte{3}).Public(), Peers: 2,
			Reach: node.ReachStatus{Clients: 2, Standing: reach.Standing{
				Verdict: reach.VerdictPublic, Translated: true, Mapping: reach.EndpointIndependent, Filtering: reach.AddressDependent,
				PortKept: true, Outside4: netip.MustParseAddrPort("192.0.2.1:8466"),
			}},
			Upload: node.UploadStatus{BudgetBPS: 2_000_000, MeasuredBPS: 3_000_000, UsedBPS: 500_000},
			Tuned: []node.StationStatus{{
				ID: stationID, Role: node.RoleListener, OnAir: true, BitrateBPS: 128_000, Hops: 2, Buffer: 3500 * time.Millisecond,
				Lag: 420 * time.Millisecond, Full: 2, TryIn: 1500 * time.Millisecond, Chunks: node.ChunkCounts{Received: 10, Repaired: 1, Missing: 2, Duplicate: 3},
				Bytes:   node.ByteCounts{PayloadIn: 11200, WireIn: 13000, WireOut: 26000},
				Parents: []node.PeerStatus{peer}, Children: []node.PeerStatus{peer, peer},
			}},
		},
		Pictures: []node.Picture{picture(peer.NodeID)},
		Playing: []web.Playing{{Held: true, From: 1500500 * time.Microsecond, Live: 52 * time.Second, Titles: []web.Title{
			{At: 0, Heard: time.Now().Add(-time.Minute), Text: `<b>A</b> - "T"`, Title: `"T"`, Artist: "<b>A</b>"},
			{At: 30 * time.Second, Heard: time.Now(), Text: "</script>&\u2028", Title: "</script>&\u2028"},
		}}},
		Settings: web.Settings{UploadBPS: node.UploadAuto, Metered: web.MeteredNo},
		Given:    web.Given{Session: 1000, Today: 2000, Total: 30000},
		Stations: []web.Station{{
			ID: stationID, Name: `<script>alert(1)</script>`, Genre: "rock", Description: `"d"`, URL: "javascript:alert(1)",
			Codec: "mp3", Title: "</script>&\u2028", BitrateBPS: 128_000, Listeners: 3, Audience: 40, Online: true, LastAlive: 5 * time.Second,
			Link: "streamerp2p://" + stationID.String(),
		}},
		Players: web.Players{Players: 1, Served: 2, Slow: 3, Refused: 4, Bytes: 5},
	}
}

// picture is a place below one parent, which brings every class but the last.
func picture(parent identity.NodeID) node.Picture {
	p := node.Picture{
		Parents:  []node.ParentPlace{{ParentPlace: mesh.ParentPlace{Manifests: true, Hops: 1, Lag: 210 * time.Millisecond}, Above: []string{"abcdef"}}},
		Children: []mesh.ChildPlace{{BPS: 46_000}, {Manifests: true, BPS: 46_000, Leaf: true}},
		GiveBPS:  1_600_000, SpareBPS: 1_508_000, Room: 16,
	}
	for c := range p.Classes {
		p.Classes[c] = node.ClassPlace{Parent: parent, Hops: 2, Children: c % 3}
	}
	p.Classes[15] = node.ClassPlace{Hops: -1}
	return p
}

type site struct {
	*httptest.Server
	backend *backend
	server  *web.Server
}

var listen = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "audio "+r.URL.Path) })

func newServer(b *backend) *web.Server {
	return web.NewServer(web.Config{
		Backend: b, Log: slog.New(slog.DiscardHandler), Hosts: []string{"radio.lan"}, Token: token,
		Listen: listen,
	})
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{backend: &backend{snap: snapshot()}}
	s.server = newServer(s.backend)
	s.Server = httptest.NewUnstartedServer(nil)
	s.Config = s.server.HTTPServer()
	s.Start()
	t.Cleanup(func() {
		s.server.Close()
		s.Client().CloseIdleConnections()
		s.Close()
	})
	return s
}

// An answer is an http.Response whose body is closed when the test ends.
type answer struct {
	code   int
	header http.Header
	body   io.ReadCloser
}

// ask sends a request, with the token when it changes something; headers are name and value in turn, Host among them.
func (s *site) ask(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	q, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, r)
	if err != nil {
		t.Fatal(err)
	}
	if method != "GET" {
		q.Header.Set(web.TokenHeader, token)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			q.Host = headers[i+1]
		}
	}
	a, err := s.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Body.Close() })
	return answer{a.StatusCode, a.Header, a.Body}
}

func text(t *testing.T, a answer) string {
	t.Helper()
	b, err := io.ReadAll(a.body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func decode(t *testing.T, s string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return v
}

// The names and values of design.md section 5.
func TestStatus(t *testing.T) {
	s := newSite(t)
	a := s.ask(t, "GET", "/api/v1/status", "")
	got := decode(t, text(t, a))
	node3, node2 := identity.NewNodeKey([32]byte{3}).Public().String(), identity.NewNodeKey([32]byte{2}).Public().String()
	peer := `{"node_id":"` + node2 + `","addr":"[2001:db8::1]:8466","classes":[0,5,10,15],"rtt_ms":40,"lan":true,`
	place := func(children int) string {
		return fmt.Sprintf(`{"parent":"%s","hops":2,"children":%d}`, node2, children)
	}
	three := place(0) + "," + place(1) + "," + place(2) + ","
	want := decode(t, `{"version":"1.2.3","node_id":"`+node3+`","udp_port":8466,"uptime_s":90,"reachability":"public",
		"nat":{"mapping":"endpoint-independent","filtering":"address-dependent","outside_ipv4":"192.0.2.1:8466","outside_ipv6":null,
		"port_kept":true,"port_step":0,"carrier_grade":false,"proxies":0,"clients":2,
		"mapping_lifetime_s":null,"mapping_expiry_s":null,"mapping_lifetime":"Nothing has to be kept open: others reach you directly.",
		"summary":"Others reach you directly.","advice":"Nothing to do."},
		"portmap":{"ipv4":{"state":"mapped","protocol":"PCP","external":"192.0.2.1:8466","words":"open"},
		"ipv6":{"state":"off","protocol":null,"external":null,"words":""}},
		"upload":{"budget_bps":2000000,"measured_bps":3000000,"used_bps":500000,"test":{"state":"never","percent":0,"bps":null,"at_least":false}},"hosts":{"known":7,"answering":3},
		"peers":2,"players":1,
		"given":{"session_bytes":1000,"today_bytes":2000,"total_bytes":30000},"first_start":true,
		"tuned":[{"timeline":{"from_ms":1501,"live_ms":52000},"id":"`+stationID.String()+`","name":"<script>alert(1)</script>","role":"listener","online":true,"codec":"mp3",
		"bitrate_bps":128000,"title":"</script>&\u2028","hops":2,"buffer_ms":3500,"lag_ms":420,"full":{"peers":2,"try_in_ms":1500},
		"chunks":{"received":10,"repaired":1,"missing":2,"duplicate":3},
		"bytes":{"payload_in":11200,"wire_in":13000,"wire_out":26000},
		"parents":[`+peer+`"manifests":true,"hops":1,"lag_ms":210,"ancestors":["abcdef"]}],
		"children":[`+peer+`"manifests":false,"upload_bps":46000,"leaf":false},`+peer+`"manifests":true,"upload_bps":46000,"leaf":true}],
		"position":{"standing":"relay","give_bps":1600000,"spare_bps":1508000,"room_classes":16,
		"classes":[`+strings.Repeat(three, 5)+`{"parent":null,"hops":null,"children":0}]}}]}`)
	if a.code != 200 || !jsonEqual(got, want) {
		t.Errorf("got %d %v, want %v", a.code, got, want)
	}
	s.backend.set(func(snap *web.Snapshot) {
		snap.Node.Upload = node.UploadStatus{BudgetBPS: node.UploadAuto}
		snap.Playing, snap.Settings.Saved = []web.Playing{{}}, true
		snap.Node.Tuned[0].Hops, snap.Node.Tuned[0].Lag, snap.Node.Reach = -1, 0, node.ReachStatus{}
	})
	got = decode(t, text(t, s.ask(t, "GET", "/api/v1/status", "")))
	tuned := got["tuned"].([]any)[0].(map[string]any)
	upload := got["upload"].(map[string]any)
	if tuned["hops"] != nil || tuned["timeline"] != nil || got["first_start"] != false || tuned["lag_ms"] != nil || upload["budget_bps"] != nil || upload["measured_bps"] != nil ||
		got["reachability"] != "unknown" || got["nat"].(map[string]any)["mapping"] != "unknown" {
		t.Errorf("what is unknown is not null or unknown: %v", got)
	}
}

func jsonEqual(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

func TestStations(t *testing.T) {
	s := newSite(t)
	want := decode(t, `{"id":"`+stationID.String()+`","name":"<script>alert(1)</script>","genre":"rock","description":"\"d\"",
		"url":"javascript:alert(1)","codec":"mp3","bitrate_bps":128000,"title":"</script>&\u2028","listeners":3,"audience_estimate":40,"online":true,
		"last_alive_s":5,"link":"streamerp2p://`+stationID.String()+`"}`)
	if got := text(t, s.ask(t, "GET", "/api/v1/stations/"+stationID.String(), "")); !jsonEqual(decode(t, got), want) {
		t.Errorf("got %s", got)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(text(t, s.ask(t, "GET", "/api/v1/stations", ""))), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || !jsonEqual(list[0], want) {
		t.Errorf("got %v", list)
	}
	s.backend.set(func(snap *web.Snapshot) { snap.Stations = nil; snap.Node.Tuned = nil })
	if got := text(t, s.ask(t, "GET", "/api/v1/stations", "")); got != "[]\n" {
		t.Errorf("no stations: got %q", got)
	}
	if got := text(t, s.ask(t, "GET", "/api/v1/status", "")); !strings.Contains(got, `"tuned":[]`) {
		t.Errorf("nothing tuned: got %q", got)
	}
}

func TestControl(t *testing.T) {
	id := stationID.String()
	other := identity.NewStationKey([32]byte{9}).ID().String()
	link := identity.Link{Station: stationID, Name: "N", Peers: []string{"192.0.2.1:8466"}}.String()
	jsonType := []string{"Content-Type", "application/json"}
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		code                     int
		call                     string
	}{
		{"link", "POST", "/api/v1/tune", `{"station":"` + link + `"}`, jsonType, 200, "tune " + link + " listener"},
		{"id", "POST", "/api/v1/tune", `{"station":"` + id + `","role":"relay"}`, jsonType, 200, "tune streamerp2p://" + id + " relay"},
		{
			"charset", "POST", "/api/v1/tune", `{"station":"` + id + `"}`,
			[]string{"Content-Type", "application/json; charset=utf-8"},
			200, "tune streamerp2p://" + id + " listener",
		},
		{"player", "POST", "/api/v1/tune", `{"station":"` + id + `","role":"player"}`, jsonType, 200, "tune streamerp2p://" + id},
		{"form", "POST", "/api/v1/tune", `station=` + id, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, ""},
		{"no type", "POST", "/api/v1/tune", `{"station":"` + id + `"}`, nil, 415, ""},
		{"no JSON", "POST", "/api/v1/tune", `station`, jsonType, 400, ""},
		{"two values", "POST", "/api/v1/tune", `{"station":"` + id + `"}{}`, jsonType, 400, ""},
		{"unknown field", "POST", "/api/v1/tune", `{"station":"` + id + `","x":1}`, jsonType, 400, ""},
		{"no station", "POST", "/api/v1/tune", `{}`, jsonType, 400, ""},
		{"bad role", "POST", "/api/v1/tune", `{"station":"` + id + `","role":"source"}`, jsonType, 400, ""},
		{"bad link", "POST", "/api/v1/tune", `{"station":"streamerp2p://x"}`, jsonType, 400, ""},
		{"too large", "POST", "/api/v1/tune", `{"station":"` + strings.Repeat("x", 65<<10) + `"}`, jsonType, 413, ""},
		{"GET", "GET", "/api/v1/tune", "", nil, 405, ""},
		{"untune", "DELETE", "/api/v1/tune/" + id, "", nil, 204, "untune " + id},
		{"untune another", "DELETE", "/api/v1/tune/" + other, "", nil, 404, "untune " + other},
		{"untune nonsense", "DELETE", "/api/v1/tune/x", "", nil, 400, ""},
		{"no such station", "GET", "/api/v1/stations/" + other, "", nil, 404, ""},
		{"measure", "POST", "/api/v1/measure", "", nil, 202, "measure"},
		{"stop", "POST", "/api/v1/stop", "", nil, 202, "stop"},
		{"stop by GET", "GET", "/api/v1/stop", "", nil, 405, ""},
		{"nowhere", "GET", "/x", "", nil, 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			a := s.ask(t, c.method, c.path, c.body, c.headers...)
			if a.code != c.code {
				t.Errorf("got %d %s, want %d", a.code, text(t, a), c.code)
			}
			closeAll(t, a.body)
			var want []string
			if c.call != "" {
				want = []string{c.call}
			}
			s.backend.mu.Lock()
			defer s.backend.mu.Unlock()
			if !slices.Equal(s.backend.calls, want) {
				t.Errorf("the node was asked %q, want %q", s.backend.calls, want)
			}
		})
	}
}

func TestHealth(t *testing.T) {
	s := newSite(t)
	if a := s.ask(t, "GET", "/healthz", ""); a.code != 200 {
		t.Errorf("got %d", a.code)
	}
	s.backend.mu.Lock()
	s.backend.err = errors.New("the loop has not turned for 5 s")
	s.backend.mu.Unlock()
	for _, path := range []string{"/healthz", "/api/v1/status", "/metrics", "/netstatus", "/netstatus.json"} {
		if a := s.ask(t, "GET", path, ""); a.code != 503 || !strings.Contains(text(t, a), "has not turned") {
			t.Errorf("%s: got %d", path, a.code)
		}
	}
}

func closeAll(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// Whatever is asked to be tuned in, the node is asked for a station with a valid link, or the answer says what is wrong.
func FuzzTune(f *testing.F) {
	f.Add([]byte(`{"station":"` + identity.Link{Station: stationID, Name: "x"}.String() + `"}`))
	f.Add([]byte(`{"station":"` + stationID.String() + `","role":"relay"}`))
	f.Add([]byte(`{"station":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b := &backend{}
		s := web.NewServer(web.Config{Backend: b, Log: slog.New(slog.DiscardHandler), Listen: http.NotFoundHandler(), Token: token})
		q := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost/api/v1/tune", bytes.NewReader(body))
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set(web.TokenHeader, token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, q)
		if (w.Code == 200) != (len(b.calls) == 1) {
			t.Fatalf("got %d and the calls %q", w.Code, b.calls)
		}
		if w.Code == 200 {
			link, _, _ := strings.Cut(strings.TrimPrefix(b.calls[0], "tune "), " ")
			if _, err := identity.ParseLink(link); err != nil {
				t.Fatalf("asked for %q: %v", link, err)
			}
		} else if decode(t, w.Body.String())["error"] == "" {
			t.Fatalf("%d without a reason", w.Code)
		}
	})
}

// keys returns the names in a set.
func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
