// SPDX-License-Identifier: MIT

package sim

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"streamer/internal/node"
)

// Limits of a scenario.
const (
	NodesMax    = 1 << 20 // hosts beside the source
	DurationMax = 24 * time.Hour
	bitrateLow  = 8_000
	bitrateHigh = 2_000_000
	seedsMax    = 8
)

// A Scenario says what happens in a run. It is plain data: two runs of equal scenarios and equal seeds are equal.
type Scenario struct {
	Name       string
	About      string        // one line for people
	Nodes      int           // hosts beside the source
	Duration   time.Duration // how long the station is watched
	BitrateBPS int64         // of the audio
	PlayDelay  time.Duration // a chunk is on time when it arrives within this after it was published
	Skew       time.Duration // hosts' clocks are wrong by up to this, either way
	Source     Group         // only Upload and Line count
	Groups     []Group       // who the hosts are; Permille adds up to 1,000
	Path       Path
	Faults     []Fault
	Arrivals   []Arrivals // when hosts join whose groups do not say; Permille adds up to at most 1,000
	Churn      Churn
	Settled    time.Duration // what is before is not in the figures: the audience gathers
	Gossip     bool          // nodes find the station by gossip, and know the seeds and their LAN
	Seeds      int           // hosts that strangers reach and that carry nothing, from the beginning on
}

// A Group is a share of the hosts that are alike.
type Group struct {
	Name      string
	Permille  int // of Scenario.Nodes
	Role      node.Role
	UploadBPS int64 // --upload
	Line      Line
	JoinAt    time.Duration // the first joins then; 0: Scenario.Arrivals says when
	JoinOver  time.Duration // and the last this much later
	Hints     Hints
	Hostile   Hostility // 0: honest
	Home      Home      // what stands before its hosts
}

// Hints says which peers a host knows when it joins.
type Hints uint8

// The kinds of Hints.
const (
	HintSource   Hints = iota // the source's address: what a link says
	HintPrevious              // the host with the number before one's own (the source for the first): a chain
	HintRandom                // three hosts that joined earlier, and not the source unless there is nobody else
	HintNobody                // nobody: gossip finds the station
)

// FaultKind tells what a Fault does.
type FaultKind uint8

// The kinds of Fault. Each lasts For; those that end nothing ignore it.
const (
	FaultCrash     FaultKind = iota + 1 // hosts vanish without a word
	FaultLeave                          // hosts leave politely
	FaultRestart                        // the source vanishes and comes back with its next epoch
	FaultPartition                      // hosts reach only each other
	FaultLoss                           // Path.LossPPM is LossPPM
	FaultEnd                            // the source signs the end of the stream
	FaultNextEpoch                      // the source begins a new epoch without going away
	FaultSeeds                          // the seeds vanish for good
	FaultReboot                         // routers forget what they have mapped, and map other ports
	FaultReaddress                      // routers get other addresses
)

func (k FaultKind) String() string {
	switch k {
	case FaultCrash:
		return "crash"
	case FaultLeave:
		return "leave"
	case FaultRestart:
		return "restart"
	case FaultPartition:
		return "partition"
	case FaultLoss:
		return "loss"
	case FaultEnd:
		return "end"
	case FaultNextEpoch:
		return "next epoch"
	case FaultSeeds:
		return "seeds vanish"
	case FaultReboot:
		return "routers restart"
	case FaultReaddress:
		return "addresses change"
	}
	return fmt.Sprintf("fault(%d)", uint8(k))
}

// A Fault happens to some hosts at one time.
type Fault struct {
	At       time.Duration
	Kind     FaultKind
	For      time.Duration
	Group    string       // victims are of this group; empty: of any
	Count    int          // number of victims, or
	Permille int          // their share of the group's hosts that are up
	Feeding  bool         // take those with the most children
	Network  netip.Prefix // victims are those with addresses in it; invalid: any. Hosts are strewn over 11.0.0.0/8
	LossPPM  uint32       // FaultLoss
}

// Check returns what is wrong with a scenario, or nil.
func (s *Scenario) Check() error {
	switch {
	case s.Nodes < 1 || s.Nodes > NodesMax:
		return fmt.Errorf("nodes: %d, want 1 to %d", s.Nodes, NodesMax)
	case s.Duration <= 0 || s.Duration > DurationMax:
		return fmt.Errorf("duration: %v, want more than 0 and at most %v", s.Duration, DurationMax)
	case s.BitrateBPS < bitrateLow || s.BitrateBPS > bitrateHigh:
		return fmt.Errorf("bit rate: %d, want %d to %d", s.BitrateBPS, bitrateLow, bitrateHigh)
	case s.PlayDelay <= 0:
		return errors.New("play delay: want more than 0")
	}
	if s.Seeds < 0 || s.Seeds > seedsMax {
		return fmt.Errorf("seeds: %d, want 0 to %d", s.Seeds, seedsMax)
	}
	if err := s.checkHomes(); err != nil {
		return err
	}
	if err := s.checkArrivals(); err != nil {
		return err
	}
	total := 0
	for i := range s.Groups {
		total += s.Groups[i].Permille
		if r := s.Groups[i].Role; r != node.RoleListener && r != node.RoleRelay {
			return fmt.Errorf("group %q: role %d, want a listener or a relay", s.Groups[i].Name, r)
		}
	}
	if total != 1000 {
		return fmt.Errorf("groups: their shares add up to %d, want 1000", total)
	}
	for i := range s.Faults {
		f := &s.Faults[i]
		if f.At < 0 || f.For < 0 || f.At+f.For > s.Duration {
			return fmt.Errorf("fault %d (%v): not within the %v of the run", i, f.Kind, s.Duration)
		}
		if f.Group != "" && s.group(f.Group) < 0 {
			return fmt.Errorf("fault %d (%v): no group %q", i, f.Kind, f.Group)
		}
	}
	return nil
}

// checkArrivals returns what is wrong with who comes when and goes when, or nil.
func (s *Scenario) checkArrivals() error {
	total := 0
	for i := range s.Arrivals {
		a := &s.Arrivals[i]
		total += a.Permille
		switch {
		case a.Permille <= 0 || a.At < 0 || a.Over < 0 || a.Doubling < 0:
			return fmt.Errorf("arrivals %d: want a share and times that are not negative", i)
		case a.Over > 0 && a.Doubling > 0:
			return fmt.Errorf("arrivals %d: want over or doubling, not both", i)
		case a.last(s.Nodes) > s.Duration:
			return fmt.Errorf("arrivals %d: the last comes after the %v of the run", i, s.Duration)
		}
	}
	if total > 1000 {
		return fmt.Errorf("arrivals: their shares add up to %d, want at most 1000", total)
	}
	if s.Settled < 0 || s.Settled >= s.Duration {
		return fmt.Errorf("settled: %v, want less than the %v of the run", s.Settled, s.Duration)
	}
	return s.Churn.check(s)
}

// Until returns the scenario cut short: less time, and only the faults that leave everybody time to recover.
func (s Scenario) Until(end time.Duration) Scenario {
	s.Duration = end
	var faults []Fault
	for _, f := range s.Faults {
		if f.At+f.For+recovery <= end {
			faults = append(faults, f)
		}
	}
	s.Faults = faults
	return s
}

func (s *Scenario) group(name string) int {
	for i := range s.Groups {
		if s.Groups[i].Name == name {
			return i
		}
	}
	return -1
}
