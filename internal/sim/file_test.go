// SPDX-License-Identifier: MIT

package sim_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"streamer/internal/sim"
)

// The smallest file that is one.
const smallFile = "[[group]]\nshare_percent = 100\n"

func TestParseFileRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "groups: their shares add up to 0.0 %"},
		{"no TOML", "watch", "line 1"},
		{"unknown key", smallFile + "uplaod = \"1x\"\n", `unknown key "group.uplaod"; those that may be here are name, share_percent, role, upload,`},
		{"unknown table", smallFile + "[chrun]\n", `unknown key "chrun"; those that may be here are about, watch,`},
		{"unknown key in an unknown table", smallFile + "[group.x]\na = 1\n", "unknown key"},
		{"too long", smallFile + "#" + strings.Repeat("x", sim.FileBytesMax), "write at most 65536"},
		{"time without unit", "watch = 10\n" + smallFile, `write it like "500ms"`},
		{"negative time", "watch = \"-1s\"\n" + smallFile, `write it like "500ms"`},
		{"bit rate", "bitrate = \"fast\"\n" + smallFile, `write bit/s, like "512k"`},
		{"bit rate too high", "bitrate = \"3M\"\n" + smallFile, "want 8000 to 2000000"},
		{"share", "[[group]]\nshare_percent = 120\n", "write 0 to 100"},
		{"share too fine", "[[group]]\nshare_percent = 33.33\n", "steps of 0.1"},
		{"share that is none", "[[group]]\nshare_percent = nan\n", "write 0 to 100"},
		{"upload", smallFile + "upload = \"-1x\"\n", "how many listeners it feeds"},
		{"upload too high", smallFile + "upload = \"10001x\"\n", "at most"},
		{"delay", smallFile + "delay = [\"5ms\"]\n", "the shortest and the longest"},
		{"delays swapped", smallFile + "delay = [\"5ms\", \"4ms\"]\n", "the shorter delay first"},
		{"word", smallFile + "hostile = \"rude\"\n", "write one of alter, boast, forge, nag, replay"},
		{"home", smallFile + "home = \"castle\"\n", "want one of public"},
		{"home without gossip", smallFile + "home = \"port-restricted\"\n", "want gossip and a seed"},
		{"mechanism", "without = [\"luck\"]\n" + smallFile, "write one of classes, climbing"},
		{"index without upload", "resource_index = 1.5\n" + smallFile, "no group offers anything"},
		{"index without numbers", "resource_index = 1.5\n" + smallFile + "upload = \"auto\"\n", "give its upload"},
		{"index", "resource_index = nan\n" + smallFile + "upload = \"1x\"\n", "write 0.01 to 1000"},
		{"all come in crowds", smallFile + "[[crowd]]\nshare_percent = 100\n", "want a share of more than 0"},
		{"crowd too late", smallFile + "[[crowd]]\nshare_percent = 10\nat = \"2m\"\n", "the last comes after"},
		{"two ways to gather", smallFile + "[gather]\nover = \"1s\"\ndoubling = \"1s\"\n", "one of over, each and doubling"},
		{"gathers for ever", smallFile + "[gather]\neach = \"24h\"\n", "make each shorter"},
		{"churn", smallFile + "[churn]\npercent_per_minute = 601\n", "write 0.1 to 600"},
		{"fault after the end", smallFile + "[[fault]]\nkind = \"crash\"\nat = \"2m\"\n", "not within"},
		{"too many faults", smallFile + "[[fault]]\nkind = \"crash\"\ntimes = 201\n", "leave some out"},
		{"network", smallFile + "[[fault]]\nkind = \"crash\"\nnetwork = \"here\"\n", "write a prefix"},
	} {
		_, err := sim.ParseFile("mine", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "scenario mine") {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func TestFileScenario(t *testing.T) {
	f, err := sim.ParseFile("mine", []byte(`
watch = "40s"
bitrate = "100k"
resource_index = 2

[gather]
over = "9s"
rest = "10s"

[source]
upload = "4x"

[[group]]
name = "much"
share_percent = 25
upload = "3x"

[[group]]
name = "little"
share_percent = 75
upload = "1x"
up = "1M"

[[crowd]]
at = "5s"
over = "2s"
share_percent = 50

[churn]
percent_per_minute = 60
at = "1s"
for = "3s"
heavy_tail = true
polite_percent = 10

[[fault]]
kind = "leave"
at = "3s"
every = "1s"
times = 2
share_percent = 12.5
network = "11.64.0.0/10"
`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Scenario(40)
	if err != nil {
		t.Fatal(err)
	}
	// A listener needs 110k. 20 hosts gather: the last joins at 10 s - 9 s/20. All need 40 x 110k x 2 = 8,800k, of which the source
	// has 440k; 10 x 3 + 30 x 1 shares have the rest, 139,333 bit/s each.
	settled := time.Second + 9*time.Second*19/20 + 10*time.Second
	for _, c := range []struct{ name, got, want any }{
		{"settled", s.Settled, settled},
		{"duration", s.Duration, settled + 40*time.Second},
		{"source", s.Source.UploadBPS, int64(440_000)},
		{"much", s.Groups[0].UploadBPS, int64(418_000)},
		{"little", s.Groups[1].UploadBPS, int64(139_333)},
		{"much, line", s.Groups[0].Line.UpBPS, int64(522_500)},
		{"little, line", s.Groups[1].Line.UpBPS, int64(1_000_000)},
		{"gather", s.Arrivals[0], sim.Arrivals{Permille: 500, At: time.Second, Over: 9 * time.Second}},
		{"crowd", s.Arrivals[1], sim.Arrivals{Permille: 500, At: settled + 5*time.Second, Over: 2 * time.Second}},
		{"churn", s.Churn, sim.Churn{Permille: 600, From: settled + time.Second, Until: settled + 4*time.Second, HeavyTail: true, Polite: 100}},
		{"faults", len(s.Faults), 2},
		{"second fault", s.Faults[1].At, settled + 4*time.Second},
		{"share", s.Faults[1].Permille, 125},
		{"network", s.Faults[1].Network.String(), "11.64.0.0/10"},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%v: got %v, want %v", c.name, c.got, c.want)
		}
	}
}

// A file that ends early is refused, or says less; nothing panics.
func TestParseFileTruncated(t *testing.T) {
	f, _ := sim.Find("hostile")
	for i := range f.Text() {
		_, _ = sim.ParseFile("cut", f.Text()[:i])
	}
	if _, err := sim.ParseFile("cut", f.Text()[:len(f.Text())/2]); err == nil {
		t.Error("half a file, whose shares do not add up, is accepted")
	}
}

func FuzzParseFile(f *testing.F) {
	for _, name := range sim.Builtins() {
		b, _ := sim.Find(name)
		f.Add(b.Text())
	}
	f.Add([]byte(smallFile))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := sim.ParseFile("fuzz", text)
		if err != nil {
			return
		}
		for _, nodes := range []int{1, 7, 100_000} {
			if s, err := b.Scenario(nodes); err == nil {
				if err := s.Check(); err != nil {
					t.Errorf("for %d hosts it is no scenario: %v", nodes, err)
				}
			}
		}
	})
}

// Sessions are such that the rate of replacement is the same whatever their shape, from the first moment on.
func TestSessions(t *testing.T) {
	for _, heavy := range []bool{false, true} {
		c := sim.Churn{Permille: 300, HeavyTail: heavy}
		const hosts, window = 20_000, 100 * time.Second
		got := sim.Replacements(c, 1, hosts, window)
		want := hosts * 3 / 10 * int(window/time.Second) / 60
		if got < want*97/100 || got > want*103/100 {
			t.Errorf("heavy tail %v: %d of %d hosts replaced in %v, want about %d", heavy, got, hosts, window, want)
		}
	}
}
