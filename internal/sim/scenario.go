// SPDX-License-Identifier: MIT

package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"streamer/internal/mesh"
	"streamer/internal/node"
)

// A Scenario says what happens in a run. It is plain data: two runs of equal scenarios and equal seeds are equal.
type Scenario struct {
	Name       string
	About      string        // one line for people
	Nodes      int           // hosts beside the source
	Duration   time.Duration // how long the station is watched
	BitrateBPS int64         // of the audio
	PlayDelay  time.Duration // Result.WithinMean is of the chunks that came so long after their publication, or sooner
	Skew       time.Duration // hosts' clocks are wrong by up to this, either way
	Source     Group         // only Upload and Line count
	Groups     []Group       // who the hosts are; Permille adds up to 1,000
	Path       Path
	Faults     []Fault
	Arrivals   []Arrivals // when hosts join whose groups do not say; Permille adds up to at most 1,000
	Churn      Churn
	Settled    time.Duration   // what is before is not in the figures: the audience gathers
	Gossip     bool            // nodes find the station by gossip, and know the seeds and their LAN
	Without    mesh.Mechanisms // what no node uses
	Seeds      int             // hosts that strangers reach and that carry nothing, from the beginning on
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
	Replace  bool         // FaultCrash, FaultLeave: another joins in the place of each, as churn has it
	Again    bool         // the fault before it is of the same kind and to the same hosts: figures are of both together
}

// Until returns the scenario cut short: less time, and only the faults that leave everybody time to recover. When it ends
// before the audience has gathered, the figures are of all of it.
func (s Scenario) Until(end time.Duration) Scenario {
	s.Duration = end
	if s.Settled >= end {
		s.Settled = 0
	}
	var faults []Fault
	for _, f := range s.Faults {
		if f.At+f.For+recovery <= end {
			faults = append(faults, f)
		}
	}
	s.Faults = faults
	s.Arrivals = slices.Clone(s.Arrivals)
	s.Arrivals = slices.DeleteFunc(s.Arrivals, func(a Arrivals) bool { return a.At >= end })
	if s.Churn.From >= end {
		s.Churn = Churn{}
	}
	s.Churn.Until = min(s.Churn.Until, end)
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
