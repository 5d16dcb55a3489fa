// SPDX-License-Identifier: MIT

package sim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"streamer/internal/sim"
)

// homes is a short run of the scenario with homes: the seed vanishes at 20 s.
func homes(t *testing.T, nodes int, source, kinds string) sim.Scenario {
	t.Helper()
	mix, err := sim.MixOf(kinds)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sim.NATHomes(nodes, source, mix)
	if err != nil {
		t.Fatal(err)
	}
	s.Duration = 35 * time.Second
	s.Faults[0].At = 20 * time.Second
	return s
}

// wantPlay fails unless everybody plays, and goes on without the seed.
func wantPlay(t *testing.T, r sim.Result) {
	t.Helper()
	n := r.NAT
	if len(n.Never) > 0 || n.PlayedMaxS > 10 || n.AfterMin < 0.999 {
		t.Errorf("never played: %s; last first audio %.2f s; without the seed %.4f on time at least\nrepeat it with: %s",
			strings.Join(n.Never, ", "), n.PlayedMaxS, n.AfterMin, r.Repeat)
	}
}

// Everybody at home, behind one kind of box, the broadcaster too.
func TestNATHomes(t *testing.T) {
	for _, kind := range []string{"port-restricted", "dual", "ipv6-firewall"} {
		t.Run(kind, func(t *testing.T) { wantPlay(t, run(t, homes(t, 6, kind, kind))) })
	}
}

// A third behind symmetric NATs with random ports, whom only strangers can feed: the public host carries for them.
func TestNATThirdSymmetric(t *testing.T) {
	s := homes(t, 9, "port-restricted", "port-restricted:2,symmetric-random")
	s.Faults = nil
	wantPlay(t, run(t, s))
}

// The same, and that host vanishes: those whom it fed have guessed ports by then, and others feed them.
func TestNATGuess(t *testing.T) {
	s := homes(t, 9, "port-restricted", "port-restricted:2,symmetric-random")
	s.Duration, s.Faults[0].At = 70*time.Second, 50*time.Second
	wantPlay(t, run(t, s))
}

// Half of the routers restart and map other ports, or get other addresses.
func TestNATChange(t *testing.T) {
	for name, kind := range map[string]sim.FaultKind{"reboot": sim.FaultReboot, "readdress": sim.FaultReaddress} {
		t.Run(name, func(t *testing.T) {
			s := homes(t, 6, "port-restricted", "port-restricted")
			s.Faults = []sim.Fault{{At: 20 * time.Second, Kind: kind, Permille: 500}}
			r := run(t, s)
			wantPlay(t, r)
			if worst := r.NAT.Kinds[0].OnTimeMin; worst < 0.85 { // 3 of 20 s
				t.Errorf("%.4f on time of the worst\nrepeat it with: %s", worst, r.Repeat)
			}
		})
	}
}

// Five hosts on each LAN: what one of them fetches, the others get from it.
func TestNATLAN(t *testing.T) {
	r := run(t, homes(t, 10, "port-restricted", "port-restricted/5"))
	wantPlay(t, r)
	if r.NAT.Boxes.In > r.Datagrams*3/4 {
		t.Errorf("%d of %d datagrams came in through boxes", r.NAT.Boxes.In, r.Datagrams)
	}
}

func TestNATDeterminism(t *testing.T) {
	s := homes(t, 10, "full-cone", "symmetric-random,carrier-port-restricted-random,dual/2,symmetric-sequential,address-mapped")
	s.Duration, s.Faults = 20*time.Second, []sim.Fault{{At: 12 * time.Second, Kind: sim.FaultReboot, Permille: 500}}
	var traces [3]string
	for i := range traces {
		w, err := sim.New(s, sim.Options{Seed: *seedFlag + uint64(i/2)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.WallS, r.BytesPerNode = 0, 0
		traces[i] = fmt.Sprintf("%s %+v %+v", r.Trace, r.NAT.Kinds, r.NAT.Pairs)
	}
	if traces[0] != traces[1] || traces[0] == traces[2] {
		t.Errorf("two runs with equal seeds, one with another:\n%s", strings.Join(traces[:], "\n"))
	}
}

func TestNATRefusals(t *testing.T) {
	for _, text := range []string{"", "nobody", "port-restricted:0", "port-restricted:x", "dual/0", "dual/1000", "carrier-mapped", ","} {
		if mix, err := sim.MixOf(text); err == nil {
			t.Errorf("%q: accepted as %v", text, mix)
		}
	}
	for name, edit := range map[string]func(*sim.Scenario){
		"no gossip":  func(s *sim.Scenario) { s.Gossip = false },
		"no seed":    func(s *sim.Scenario) { s.Seeds = 0 },
		"three":      func(s *sim.Scenario) { s.Source.Home.NAT = make([]sim.NAT, 3) },
		"no mapping": func(s *sim.Scenario) { s.Groups[0].Home.NAT = make([]sim.NAT, 1) },
		"firewall": func(s *sim.Scenario) {
			s.Source.Home.NAT = []sim.NAT{{Mapping: sim.EndpointIndependent, Filter: sim.EndpointIndependent, Ports: sim.PortsPreserved, Firewall: true}}
		},
	} {
		s := homes(t, 4, "public", "port-restricted")
		edit(&s)
		if s.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, kind := range sim.HomeKinds() {
		if _, err := sim.HomeOf(kind); err != nil {
			t.Error(err)
		}
	}
}

// Every pair that RFC 4787 permits links, whoever is the broadcaster; the others play all the same.
func TestNATMatrix(t *testing.T) {
	kinds := []string{"full-cone", "port-restricted-random", "carrier-port-restricted", "symmetric-random"}
	cells, err := sim.NATMatrix(t.Context(), kinds, 1, sim.Options{Seed: *seedFlag})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		if c.Permitted == "yes" && c.Linked < c.Runs || c.Played < c.Runs || len(c.Failed) > 0 {
			t.Errorf("%+v\nrepeat it with: streamer sim nat --matrix 1 --homes %s,%s --seed %d", c, c.Source, c.Listener, *seedFlag)
		}
	}
}
