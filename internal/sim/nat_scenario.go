// SPDX-License-Identifier: MIT

package sim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"streamer/internal/node"
)

// carrierCustomers is how many homes of a carrier share a box.
const carrierCustomers = 4

// lanHostsMax is how many hosts a home has at most.
const lanHostsMax = 200

// A Share is a kind of home and how much of the audience has it.
type Share struct {
	Kind   string
	Weight int
}

// HomeKinds returns the names of the kinds of home: those of NATs (of ipv6-firewall: homes without IPv4), and public, which is
// no home, dual, which is port-restricted and has IPv6 behind a firewall, and carrier- before the name of a NAT: that of the
// carrier, behind it homes with port-restricted. /N behind any is N hosts in each home.
func HomeKinds() []string {
	names := []string{"public", "dual"}
	for _, n := range NATKinds() {
		names = append(names, n.Name)
	}
	for _, n := range NATKinds() {
		if !n.Firewall && !n.Mapped {
			names = append(names, "carrier-"+n.Name)
		}
	}
	return names
}

// HomeOf returns a kind of home by its name.
func HomeOf(name string) (Home, error) {
	home := Home{Hosts: 1}
	kind, hosts, shared := strings.Cut(name, "/")
	if shared {
		n, err := strconv.Atoi(hosts)
		if err != nil || n < 1 || n > lanHostsMax {
			return Home{}, fmt.Errorf("home %q: want 1 to %d hosts behind the stroke", name, lanHostsMax)
		}
		home.Hosts = n
	}
	if !slices.Contains(HomeKinds(), kind) {
		return Home{}, fmt.Errorf("home %q: want one of %s", name, strings.Join(HomeKinds(), ", "))
	}
	restricted := shortLived("port-restricted")
	switch carrier, ok := strings.CutPrefix(kind, "carrier-"); {
	case kind == "public":
	case kind == "dual":
		home.NAT, home.IPv6 = []NAT{restricted}, true
	case kind == "ipv6-firewall":
		home.IPv6 = true
	case ok:
		home.NAT, home.Customers = []NAT{restricted, shortLived(carrier)}, carrierCustomers
	default:
		home.NAT = []NAT{shortLived(kind)}
	}
	return home, nil
}

// shortLived returns a kind of NAT that ships, with short lifetimes.
func shortLived(kind string) NAT {
	n, _ := FindNAT(kind)
	n.Lifetime = natLifetime
	return n
}

// MixOf reads kinds of home with their weights, as in "port-restricted:2,symmetric-random".
func MixOf(text string) ([]Share, error) {
	var mix []Share
	for part := range strings.SplitSeq(text, ",") {
		kind, weight, given := strings.Cut(part, ":")
		share := Share{Kind: kind, Weight: 1}
		if given {
			n, err := strconv.Atoi(weight)
			if err != nil || n < 1 || n > 1000 {
				return nil, fmt.Errorf("home %q: want a weight of 1 to 1000 behind the colon", part)
			}
			share.Weight = n
		}
		if _, err := HomeOf(kind); err != nil {
			return nil, err
		}
		mix = append(mix, share)
	}
	return mix, nil
}

// MixDefault is one of each kind of home in which IPv4 works.
func MixDefault() []Share {
	var mix []Share
	for _, k := range []string{
		"full-cone", "address-restricted", "port-restricted", "port-restricted-random", "address-mapped", "symmetric-sequential",
		"symmetric-random", "carrier-port-restricted-random", "mapped", "dual",
	} {
		mix = append(mix, Share{k, 1})
	}
	return mix
}

// checkHomes returns what is wrong with the homes of a scenario, or nil.
func (s *Scenario) checkHomes() error {
	groups := []*Group{&s.Source}
	for i := range s.Groups {
		groups = append(groups, &s.Groups[i])
	}
	for _, g := range groups {
		if len(g.Home.NAT) > 2 || g.Home.Hosts > lanHostsMax {
			return fmt.Errorf("group %q: %d boxes, %d hosts in a home; want at most 2 and %d", g.Name, len(g.Home.NAT), g.Home.Hosts,
				lanHostsMax)
		}
		for i := range g.Home.NAT {
			n := &g.Home.NAT[i]
			if err := n.Check(); err != nil {
				return fmt.Errorf("group %q: %w", g.Name, err)
			}
			if n.Firewall {
				return fmt.Errorf("group %q: a firewall is no NAT, want IPv6", g.Name)
			}
		}
	}
	if s.homes() && (!s.Gossip || s.Seeds == 0) {
		return errors.New("homes: want gossip and a seed, nobody finds anybody otherwise")
	}
	return nil
}

// The moments of NATHomes.
const (
	natJoinAt   = 4 * time.Second
	natJoinOver = 8 * time.Second
	natSeedDies = 40 * time.Second
	natDuration = 70 * time.Second
	natLifetime = 30 * time.Second // of mappings: the shortest that home routers have
)

// NATHomes is a station whose source and listeners stand behind boxes, and one public host that carries no audio, until that
// host vanishes.
func NATHomes(nodes int, source string, mix []Share) (Scenario, error) {
	s := Shipped("static", nodes)
	s.Arrivals, s.Settled = nil, 0
	s.Name, s.About = "nat", "everybody at home, behind boxes; the one host that strangers reach vanishes"
	s.Duration, s.Gossip, s.Seeds = natDuration, true, 1
	home, err := HomeOf(source)
	if err != nil {
		return s, err
	}
	line := homeLine(10*mbit, 20*mbit)
	s.Source = Group{Name: source, UploadBPS: node.UploadAuto, Line: line, Home: home}
	s.Groups = nil
	total, dealt, before := 0, 0, 0
	for _, m := range mix {
		total += m.Weight
	}
	for _, m := range mix {
		if home, err = HomeOf(m.Kind); err != nil {
			return s, err
		}
		dealt += m.Weight
		s.Groups = append(s.Groups, Group{
			Name: m.Kind, Permille: 1000*dealt/total - before, Role: node.RoleListener, UploadBPS: node.UploadAuto, Line: line,
			JoinAt: natJoinAt, JoinOver: natJoinOver, Hints: HintNobody, Home: home,
		})
		before = 1000 * dealt / total
	}
	s.Faults = []Fault{{At: natSeedDies, Kind: FaultSeeds}}
	return s, nil
}
