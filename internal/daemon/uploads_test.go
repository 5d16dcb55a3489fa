// SPDX-License-Identifier: MIT

package daemon_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"streamer/internal/daemon"
)

// What a network carried is read back for 30 days; a damaged file is refused and left alone.
func TestUploadsFile(t *testing.T) {
	recent := time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)
	old := time.Now().UTC().Add(-31 * 24 * time.Hour).Format(time.RFC3339)
	good := `[{"network":"203.0.113.0/24","bps":1200000,"at":"` + recent + `"},{"network":"198.51.100.0/24","bps":5,"at":"` + old + `"}]`
	for _, test := range []struct {
		text string
		want int64
		fail bool
	}{{good, 1_200_000, false}, {good[:40], 0, true}, {"[]", 0, false}, {`[{"network":"x"}]`, 0, true}} {
		path := filepath.Join(t.TempDir(), "upload.json")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, n, err := daemon.ReadUploads(path, netip.MustParsePrefix("203.0.113.0/24"))
		if got != test.want || (err != nil) != test.fail || n > 1 {
			t.Errorf("%s: %d bit/s of %d networks, %v", test.text, got, n, err)
		}
	}
	if _, n, err := daemon.ReadUploads(filepath.Join(t.TempDir(), "none"), netip.Prefix{}); n != 0 || err != nil {
		t.Errorf("no file: %v", err)
	}
}

func TestNetworkOf(t *testing.T) {
	v4, v6 := netip.MustParseAddr("203.0.113.77"), netip.MustParseAddr("2001:db8:1:2::3")
	for _, test := range []struct {
		ip4, ip6 netip.Addr
		want     string
	}{{v4, v6, "203.0.113.0/24"}, {netip.Addr{}, v6, "2001:db8:1::/48"}, {netip.Addr{}, netip.Addr{}, "invalid Prefix"}} {
		if got := daemon.NetworkOf(test.ip4, test.ip6).String(); got != test.want {
			t.Errorf("%v, %v: %s, want %s", test.ip4, test.ip6, got, test.want)
		}
	}
}
