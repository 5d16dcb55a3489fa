// SPDX-License-Identifier: MIT

package sim

import (
	"slices"
	"time"

	"streamer/internal/node"
)

// The scenarios that ship. Each is a function of the number of hosts, so that the same conditions are had at any size.

// homeLine is an ordinary line: 20 ms to the middle of the internet, give or take.
func homeLine(upBPS, downBPS int64) Line {
	return Line{UpBPS: upBPS, DownBPS: downBPS, DelayMin: 5 * time.Millisecond, DelayMax: 35 * time.Millisecond}
}

const (
	kbit = 1000
	mbit = 1000 * kbit
)

// audience is three kinds of listeners, as the measurements of others found them: most have little to give.
func audience() []Group {
	return []Group{
		{
			Name: "strong", Permille: 200, Role: node.RoleListener, UploadBPS: 1500 * kbit, Line: homeLine(2*mbit, 20*mbit),
			JoinAt: time.Second, JoinOver: 5 * time.Second,
		},
		{
			Name: "middle", Permille: 500, Role: node.RoleListener, UploadBPS: 350 * kbit, Line: homeLine(500*kbit, 8*mbit),
			JoinAt: 1100 * time.Millisecond, JoinOver: 5 * time.Second,
		},
		{
			Name: "weak", Permille: 300, Role: node.RoleListener, UploadBPS: 0, Line: homeLine(128*kbit, 2*mbit),
			JoinAt: 1200 * time.Millisecond, JoinOver: 5 * time.Second,
		},
	}
}

// Static is an audience on which nothing falls: the base of the other scenarios.
func Static(nodes int) Scenario {
	return Scenario{
		Name: "static", About: "an ordinary audience, nothing lost, nobody leaves",
		Nodes: nodes, Duration: time.Minute, BitrateBPS: 128 * kbit, PlayDelay: 3 * time.Second, Skew: 50 * time.Millisecond,
		Source: Group{Name: "source", UploadBPS: 600 * kbit, Line: homeLine(800*kbit, 8*mbit)},
		Groups: audience(),
		Path:   Path{Jitter: 4 * time.Millisecond},
	}
}

// Chain is a line of nodes, each fed by the one before it.
func Chain(nodes int) Scenario {
	s := Static(nodes)
	s.Name, s.About = "chain", "a line of nodes, each of which knows only the one before it"
	s.Source.UploadBPS = 200 * kbit
	s.Groups = []Group{{
		Name: "link", Permille: 1000, Role: node.RoleListener, UploadBPS: 200 * kbit, Line: homeLine(mbit, 8*mbit),
		JoinAt: time.Second, JoinOver: time.Duration(nodes) * 200 * time.Millisecond, Hints: HintPrevious,
	}}
	return s
}

// Loss is Static with 5 % of all datagrams lost.
func Loss(nodes int) Scenario {
	s := Static(nodes)
	s.Name, s.About = "loss", "5 % of all datagrams lost, 1 % late by 20 ms"
	s.Path.LossPPM = 50_000
	s.Path.ReorderPPM, s.Path.ReorderHold = 10_000, 20*time.Millisecond
	return s
}

// Burst is Static with 10 % of all datagrams lost in bursts.
func Burst(nodes int) Scenario {
	s := Static(nodes)
	s.Name, s.About = "burst", "10 % of all datagrams lost, five in a row"
	s.Path.LossPPM, s.Path.LossBurst = 100_000, 5
	return s
}

// Heads is Static in which those with the most children vanish.
func Heads(nodes int) Scenario {
	s := Static(nodes)
	s.Name, s.About = "heads", "every 5 s the two nodes with the most children vanish without a word; 10 % vanish at 40 s"
	for at := 15 * time.Second; at < 40*time.Second; at += 5 * time.Second {
		s.Faults = append(s.Faults, Fault{At: at, Kind: FaultCrash, Count: 2, Feeding: true})
	}
	s.Faults = append(s.Faults, Fault{At: 40 * time.Second, Kind: FaultCrash, Permille: 100})
	return s
}

// Leave is Static in which those with the most children leave politely.
func Leave(nodes int) Scenario {
	s := Static(nodes)
	s.Name, s.About = "leave", "every 5 s the two nodes with the most children leave politely"
	for at := 15 * time.Second; at < 45*time.Second; at += 5 * time.Second {
		s.Faults = append(s.Faults, Fault{At: at, Kind: FaultLeave, Count: 2, Feeding: true})
	}
	return s
}

// Restart is Static with a broadcaster that comes back.
func Restart(nodes int) Scenario {
	s := Static(nodes)
	s.Name, s.About = "restart", "the broadcaster begins a new epoch at 15 s, and vanishes for 2 s at 30 s"
	s.Faults = []Fault{
		{At: 15 * time.Second, Kind: FaultNextEpoch},
		{At: 30 * time.Second, Kind: FaultRestart, For: 2 * time.Second},
	}
	return s
}

// Partition is Static with a quarter of the hosts cut off for a while.
func Partition(nodes int) Scenario {
	s := Static(nodes)
	s.Name, s.About = "partition", "a quarter of the hosts reach only each other from 20 s to 25 s"
	s.Faults = []Fault{{At: 20 * time.Second, Kind: FaultPartition, Permille: 250, For: 5 * time.Second}}
	return s
}

// Hostile is Static with a fifth of the hosts hostile, in all ways.
func Hostile(nodes int) Scenario {
	s := Static(nodes)
	s.Name, s.About = "hostile", "a fifth of the hosts alter, replay, invent, lie about what they have, or ask without end"
	liars := []struct {
		name string
		kind Hostility
	}{
		{"alterer", HostileAlter}, {"replayer", HostileReplay}, {"forger", HostileForge}, {"boaster", HostileMap}, {"nagger", HostileStorm},
	}
	for i := range s.Groups {
		s.Groups[i].Permille = s.Groups[i].Permille * 8 / 10
		if s.Groups[i].Name == "strong" { // without a cap, what they forward is seen by the checkers
			s.Groups[i].UploadBPS, s.Groups[i].Line = node.UploadAuto, homeLine(4*mbit, 20*mbit)
		}
	}
	for _, l := range liars {
		s.Groups = append(s.Groups, Group{
			Name: l.name, Permille: 40, Role: node.RoleRelay, UploadBPS: node.UploadAuto, Line: homeLine(10*mbit, 20*mbit),
			JoinAt: 500 * time.Millisecond, JoinOver: 5 * time.Second, Hostile: l.kind,
		})
	}
	return s
}

// A Builtin is a scenario that ships.
type Builtin struct {
	Name string
	Make func(nodes int) Scenario
}

// Builtins returns the scenarios that ship, by name.
func Builtins() []Builtin {
	return []Builtin{
		{"burst", Burst},
		{"chain", Chain},
		{"churn", ChurnBuiltin},
		{"crash", Crash},
		{"flash", Flash},
		{"heads", Heads},
		{"hostile", Hostile},
		{"leave", Leave},
		{"loss", Loss},
		{"nat", NATBuiltin},
		{"partition", Partition},
		{"restart", Restart},
		{"scarce", Scarce},
		{"static", Static},
	}
}

// Find returns a scenario that ships.
func Find(name string) (Builtin, bool) {
	all := Builtins()
	i := slices.IndexFunc(all, func(b Builtin) bool { return b.Name == name })
	if i < 0 {
		return Builtin{}, false
	}
	return all[i], true
}
