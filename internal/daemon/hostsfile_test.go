// SPDX-License-Identifier: MIT

package daemon_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"streamer/internal/daemon"
	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/wire"
)

func someHosts() gossip.Saved {
	record := wire.StationRecord{Seq: 1_800_000_000, OnAir: true, Name: "Radio Nord"}.Sign(nil, identity.NewStationKey([32]byte{1}))
	return gossip.Saved{
		Hosts: []gossip.SavedHost{
			{Host: wire.Host{Addr: netip.MustParseAddrPort("192.0.2.1:8466"), Node: identity.NewNodeKey([32]byte{1}).Public()}, Tried: true},
			{Host: wire.Host{Addr: netip.MustParseAddrPort("[2001:db8::1]:8466"), Node: identity.NewNodeKey([32]byte{2}).Public()}},
			{Host: wire.Host{Addr: netip.MustParseAddrPort("192.0.2.2:1")}}, // a seed that has not answered yet
		},
		Anchors: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:8466")},
		Records: [][]byte{record},
	}
}

func writtenHosts(tb testing.TB) (path string, b []byte) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "hosts.json")
	if err := daemon.WriteHosts(path, someHosts()); err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return path, b
}

// What is written is read again, only by its owner, and people can read it, too.
func TestHostsFile(t *testing.T) {
	path, b := writtenHosts(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	got, err := daemon.ReadHosts(path)
	if err != nil || !reflect.DeepEqual(got, someHosts()) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, want := range []string{`"addr":"192.0.2.1:8466"`, `"anchors":["192.0.2.1:8466"]`, identity.NewNodeKey([32]byte{2}).Public().String()} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
	got, err = daemon.ReadHosts(path + ".missing")
	if err != nil || len(got.Hosts)+len(got.Anchors)+len(got.Records) != 0 {
		t.Errorf("without a file: got %+v, %v", got, err)
	}
}

func TestHostsFileIsRefused(t *testing.T) {
	_, whole := writtenHosts(t)
	for i := range len(strings.TrimSpace(string(whole))) {
		if _, err := daemon.ParseHosts(whole[:i]); err == nil {
			t.Errorf("the first %d bytes of %d were taken", i, len(whole))
		}
	}
	hosts := strings.Repeat(`{"addr":"192.0.2.1:1"},`, 4096)
	stations := strings.Repeat(`"",`, 8192)
	for name, text := range map[string]string{
		"more after it":      string(whole) + "{}",
		"another type":       `[]`,
		"no address":         `{"hosts":[{"addr":"192.0.2.1"}]}`,
		"no node id":         `{"hosts":[{"addr":"192.0.2.1:1","node":"x"}]}`,
		"no record":          `{"stations":["!"]}`,
		"too many hosts":     `{"hosts":[` + hosts + `{"addr":"192.0.2.1:1"}]}`,
		"too many stations":  `{"stations":[` + stations + `""]}`,
		"too long":           strings.Repeat(" ", 16<<20) + `{}`,
		"an anchor is wrong": `{"anchors":["x"]}`,
	} {
		if got, err := daemon.ParseHosts([]byte(text)); err == nil {
			t.Errorf("%s: got %d hosts", name, len(got.Hosts))
		}
	}
	full := `{"hosts":[` + strings.TrimSuffix(hosts, ",") + `],"stations":[` + strings.TrimSuffix(stations, ",") + `]}`
	if got, err := daemon.ParseHosts([]byte(full)); err != nil || len(got.Hosts) != 4096 || len(got.Records) != 8192 {
		t.Errorf("a full file: %d hosts, %d stations, %v", len(got.Hosts), len(got.Records), err)
	}
}

// The error names the file and what to do with it.
func TestDamagedHostsFileIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.ReadHosts(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("got %v", err)
	}
}

// Whatever is in the file, it is refused or a node can begin with it; and what it then knows is written and read again.
func FuzzParseHosts(f *testing.F) {
	_, whole := writtenHosts(f)
	f.Add(whole)
	f.Add([]byte(`{"hosts":[{"addr":"[fe80::1%eth0]:1","tried":true},{"addr":""}],"anchors":["",":1"],"stations":[null,"AAAA"]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		saved, err := daemon.ParseHosts(b)
		if err != nil {
			return
		}
		g := gossip.New(0, gossip.Config{Rand: rand.New(rand.NewPCG(1, 1))})
		g.SetWall(0, 1_800_000_000)
		g.Restore(0, saved)
		var out gossip.Output
		g.Advance(mono.Time(1), &out)
		kept := g.Save()
		text, err := json.Marshal(daemon.FileOfHosts(kept))
		if err != nil {
			t.Fatal(err)
		}
		again, err := daemon.ParseHosts(text)
		if err != nil || len(again.Hosts) != len(kept.Hosts) || len(again.Records) != len(kept.Records) {
			t.Errorf("%s became %d hosts and %d stations: %v", text, len(again.Hosts), len(again.Records), err)
		}
	})
}
