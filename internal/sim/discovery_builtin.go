// SPDX-License-Identifier: MIT

package sim

import "time"

// A DiscoveryBuiltin is a scenario that ships.
type DiscoveryBuiltin struct {
	Name string
	Doc  string // one line
	Make func(nodes int) DiscoveryScenario
}

// DiscoveryBuiltins returns the scenarios that ship.
func DiscoveryBuiltins() []DiscoveryBuiltin {
	return []DiscoveryBuiltin{
		{"spread", "stations begin and sign off in a running network; listeners are counted", discoverySpread},
		{"silence", "stations fall silent: shown offline, and forgotten after two hours", discoverySilence},
		{"split", "two halves do not hear of each other for ten minutes", discoverySplit},
		{"eclipse", "a fifth of all addresses is hostile, in few networks, and floods with invented hosts", discoveryEclipse},
		{"hidden", "as spread, with six nodes of ten behind NATs, where nobody asks them", discoveryHidden},
		{"gather", "everybody starts at once and knows only the seeds", discoveryGather},
	}
}

// discoveryBase are conditions that all have in common: one node in ten has a station, at most 1,000 have one. Nodes know
// as many hosts as the daemon's do where memory allows that and the network is larger.
func discoveryBase(name string, nodes int) DiscoveryScenario {
	hosts := 240
	if nodes >= 2000 && nodes <= 20_000 {
		hosts = 992
	}
	return DiscoveryScenario{
		Name: name, Nodes: nodes, Seeds: 3, Stations: min(1000, nodes/10), HostsMax: hosts, Listeners: 800,
		LossPPM: 10_000, DelayMin: 10 * time.Millisecond, DelayMax: 160 * time.Millisecond, ChurnPermille: 10,
		MeasureMemory: true,
	}
}

func discoverySpread(nodes int) DiscoveryScenario {
	s := discoveryBase("spread", nodes)
	s.Warm = true
	s.PublishAt, s.Publish = 2*time.Minute, 8
	s.StopAt, s.Stop = 4*time.Minute, min(8, s.Stations/2)
	s.CountAt = 10 * time.Minute
	s.Duration = 10*time.Minute + time.Second
	return s
}

func discoveryHidden(nodes int) DiscoveryScenario {
	s := discoverySpread(nodes)
	s.Name, s.Hidden = "hidden", 600
	return s
}

func discoverySilence(nodes int) DiscoveryScenario {
	s := discoveryBase("silence", nodes)
	s.Warm = true
	s.CrashAt, s.Crash = 5*time.Minute, min(8, s.Stations/2)
	s.SamplePeriod = 10 * time.Second
	s.Duration = 135 * time.Minute
	return s
}

func discoverySplit(nodes int) DiscoveryScenario {
	s := discoveryBase("split", nodes)
	s.Warm = true
	s.PartitionAt, s.PartitionFor = 5*time.Minute, 10*time.Minute
	s.Duration = 18 * time.Minute
	return s
}

func discoveryEclipse(nodes int) DiscoveryScenario {
	s := discoveryBase("eclipse", nodes)
	s.JoinOver = 2 * time.Minute
	s.HostilePermille, s.HostileNetworks, s.HostileFlood, s.HostileTuned = 200, 4, 4, true
	s.PublishAt, s.Publish = 10*time.Minute, 8
	s.CountAt = 15 * time.Minute
	s.Duration = 15*time.Minute + time.Second
	return s
}

func discoveryGather(nodes int) DiscoveryScenario {
	s := discoveryBase("gather", nodes)
	s.JoinOver = 5 * time.Second
	s.ChurnPermille = 0
	s.CountAt = 10 * time.Minute
	s.Duration = 10*time.Minute + time.Second
	return s
}
