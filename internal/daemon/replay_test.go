// SPDX-License-Identifier: MIT

package daemon_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/identity"
	"streamer/internal/node"
	"streamer/internal/wire"
)

// someCalls has every kind of call.
func someCalls() []any {
	key := identity.NewStationKey([32]byte{5})
	other := identity.NewStationKey([32]byte{6}).ID()
	peers := []netip.AddrPort{
		netip.MustParseAddrPort("203.0.113.1:8466"), netip.MustParseAddrPort("[2001:db8::1]:8466"),
	}
	calls := []any{
		node.WallClockCommand{UnixMilli: 1_800_000_000_000},
		node.UploadCommand{BPS: 1_000_000},
		node.LearnedUploadCommand{BPS: 2_000_000},
		node.MeasureUploadCommand{},
		node.LocalCommand{
			Port:  8466,
			Addrs: []netip.Addr{netip.MustParseAddr("192.168.1.7")}, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")},
		},
		node.MappedCommand{Outside: peers[1], Lifetime: 2 * time.Hour},
		node.MappedCommand{},
		node.AsideCommand{From: peers[1], Token: wire.PunchToken{1, 2}},
		node.MeetCommand{
			Seeds: peers,
			Hosts: []wire.Host{{Addr: peers[0], Node: identity.NewNodeKey([32]byte{7}).Public()}},
		},
		node.DescribeCommand{
			Key: key, Name: "Radio Nord", Genre: "ambient", Description: "d", URL: "https://radio.example/", Title: "A - T", Codec: 1, KBPS: 128,
		},
		node.TuneCommand{Station: other, Role: node.RoleListener, Peers: peers},
		node.BeginCommand{Key: key, Epoch: 7, BitrateBPS: 128_000},
		node.PublishCommand{Station: key.ID(), Kind: 1, Data: []byte("header")},
		[]byte("not one of ours"), nil,
	}
	for i := range 20 {
		calls = append(calls, node.PublishCommand{
			Station: key.ID(), Start: time.Duration(i) * 100 * time.Millisecond, Duration: 100 * time.Millisecond,
			Data: bytes.Repeat([]byte{byte(i)}, 1000),
		}, nil)
	}
	return append(calls, node.UntuneCommand{Station: other}, node.EndCommand{Station: key.ID()}, node.LeaveCommand{}, nil)
}

func recorded(tb testing.TB, calls []any) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "record")
	seeds := daemon.Seeds{Node: [32]byte{1}, Rand: [32]byte{2}, Secrets: [32]byte{3}}
	from := netip.MustParseAddrPort("198.51.100.7:1234")
	if err := daemon.RecordCalls(path, seeds, from, calls); err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func replay(b []byte) (int, error) { return daemon.ReplayFrom(bufio.NewReader(bytes.NewReader(b))) }

func TestReplayAgrees(t *testing.T) {
	calls := someCalls()
	if n, err := replay(recorded(t, calls)); n != len(calls) || err != nil {
		t.Errorf("%d of %d calls agreed, %v", n, len(calls), err)
	}
}

// Every argument of every command is in the record.
func TestRecordedCommands(t *testing.T) {
	var want []node.Command
	for _, c := range someCalls() {
		if c, ok := c.(node.Command); ok {
			want = append(want, c)
		}
	}
	got, err := daemon.RecordedCommands(bufio.NewReader(bytes.NewReader(recorded(t, someCalls()))))
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d commands of %d, %v", len(got), len(want), err)
	}
	for i := range want {
		if got, want := fmt.Sprintf("%T %+v", got[i], got[i]), fmt.Sprintf("%T %+v", want[i], want[i]); got != want {
			t.Errorf("recorded %s as %s", want, got)
		}
	}
}

// Another seed, another argument or another sum is noticed at the very call.
func TestReplayNoticesDifferences(t *testing.T) {
	b := recorded(t, someCalls())
	seeded := bytes.Clone(b)
	seeded[len("streamer record 1\n")+64] ^= 1 // of Secrets: the first handshake differs
	if n, err := replay(seeded); !errors.Is(err, daemon.ErrDiverged) {
		t.Errorf("another seed: %d calls, %v", n, err)
	}
	altered := bytes.Replace(b, []byte("header"), []byte("leader"), 1)
	if n, err := replay(altered); !errors.Is(err, daemon.ErrDiverged) {
		t.Errorf("another argument: %d calls, %v", n, err)
	}
	met := bytes.Replace(b, []byte{4, 203, 0, 113, 1}, []byte{4, 203, 0, 113, 9}, 1)
	if n, err := replay(met); !errors.Is(err, daemon.ErrDiverged) {
		t.Errorf("another seed host: %d calls, %v", n, err)
	}
	summed := bytes.Clone(b)
	summed[len(summed)-1] ^= 1
	if n, err := replay(summed); !errors.Is(err, daemon.ErrDiverged) || n != len(someCalls())-1 {
		t.Errorf("another sum: %d calls, %v", n, err)
	}
}

// Every proper prefix either ends between two calls or is refused.
func TestReplayOfPrefixes(t *testing.T) {
	calls := someCalls()[:8]
	b := recorded(t, calls)
	whole := 0
	for i := range len(b) {
		switch n, err := replay(b[:i]); {
		case err == nil:
			if n != whole {
				t.Fatalf("prefix of %d bytes: %d calls, want %d", i, n, whole)
			}
			whole++
		case !errors.Is(err, daemon.ErrRecord):
			t.Fatalf("prefix of %d bytes: %v", i, err)
		}
	}
	if whole != len(calls) {
		t.Errorf("%d prefixes end between calls, want %d", whole, len(calls))
	}
}

func TestReplayNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + ".missing"} {
		if _, err := daemon.Replay(p); err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("Replay(%s): %v", p, err)
		}
	}
	seeds := daemon.Seeds{}
	if _, err := daemon.NewRecorder(path, seeds, 0, 0); !errors.Is(err, os.ErrExist) {
		t.Errorf("an existing file was overwritten: %v", err)
	}
}

// A record may be damaged in any way: reading it ends with an error or with fewer calls, never in a panic.
func FuzzReplay(f *testing.F) {
	f.Add(recorded(f, someCalls()[:8]))
	f.Add([]byte("streamer record 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := replay(b); err != nil && !errors.Is(err, daemon.ErrRecord) && !errors.Is(err, daemon.ErrDiverged) {
			t.Errorf("%d calls, %v", n, err)
		}
	})
}
