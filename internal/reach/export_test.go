// SPDX-License-Identifier: MIT

package reach

// Sizes are how many entries each collection of a Reach has, and how many it may have at most.
func (r *Reach) Sizes() map[string][2]int {
	return map[string][2]int{
		"meetings": {len(r.meetings), meetingsMax},
		"openings": {len(r.openings), openingsMax},
		"passed":   {len(r.passed), passedMax},
		"wanted":   {len(r.wanted.hosts), wantedMax},
		"carries":  {len(r.carries), carriesMax},
		"waits":    {len(r.waits), waitsMax},
		"clients":  {r.ClientCount(), clientsMax},
		"peers":    {len(r.peers), len(r.byID)},
		"nodes":    {len(r.byNode), len(r.peers)},
	}
}

// The limits that tests compare with docs/protocol/reach.md.
const (
	MeetingsMax     = meetingsMax
	AskerBurst      = askerBurst
	IntroducerBurst = introducerBurst
	AllBurst        = allBurst
)
