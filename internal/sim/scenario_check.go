// SPDX-License-Identifier: MIT

package sim

import (
	"errors"
	"fmt"
	"time"

	"streamer/internal/node"
)

// Limits of a scenario.
const (
	NodesMax     = 1 << 20 // hosts beside the source
	DurationMax  = 24 * time.Hour
	bitrateLow   = 8_000
	bitrateHigh  = 2_000_000
	seedsMax     = 8
	playDelayMax = 5 * time.Minute
	pathMost     = 10 * time.Second // of any delay, jitter or queue
	burstMax     = 1 << 16
)

// Check returns what is wrong with a scenario, or nil.
func (s *Scenario) Check() error {
	switch {
	case s.Nodes < 1 || s.Nodes > NodesMax:
		return fmt.Errorf("nodes: %d, want 1 to %d", s.Nodes, NodesMax)
	case s.Duration <= 0 || s.Duration > DurationMax:
		return fmt.Errorf("duration: %v, want more than 0 and at most %v", s.Duration, DurationMax)
	case s.BitrateBPS < bitrateLow || s.BitrateBPS > bitrateHigh:
		return fmt.Errorf("bit rate: %d, want %d to %d", s.BitrateBPS, bitrateLow, bitrateHigh)
	case s.PlayDelay <= 0 || s.PlayDelay > playDelayMax:
		return fmt.Errorf("play delay: %v, want more than 0 and at most %v", s.PlayDelay, playDelayMax)
	case s.Skew < 0 || s.Skew > time.Hour:
		return fmt.Errorf("skew: %v, want 0 to 1h", s.Skew)
	case s.Seeds < 0 || s.Seeds > seedsMax:
		return fmt.Errorf("seeds: %d, want 0 to %d", s.Seeds, seedsMax)
	}
	if err := s.Path.check(); err != nil {
		return err
	}
	if err := s.checkHomes(); err != nil {
		return err
	}
	if err := s.checkArrivals(); err != nil {
		return err
	}
	if err := s.checkGroups(); err != nil {
		return err
	}
	for i := range s.Faults {
		f := &s.Faults[i]
		if f.At < 0 || f.For < 0 || f.At > s.Duration || f.At+f.For > s.Duration {
			return fmt.Errorf("fault %d (%v): not within the %v of the run", i+1, f.Kind, s.Duration)
		}
		if f.Group != "" && s.group(f.Group) < 0 {
			return fmt.Errorf("fault %d (%v): no group %q", i+1, f.Kind, f.Group)
		}
		if f.Count < 0 || f.LossPPM > million {
			return fmt.Errorf("fault %d (%v): want a count that is not negative, and a share of loss", i+1, f.Kind)
		}
	}
	return nil
}

func (p *Path) check() error {
	switch {
	case p.LossPPM > million || p.ReorderPPM > million:
		return errors.New("path: want shares of loss and of late datagrams of at most all")
	case p.LossBurst > burstMax:
		return fmt.Errorf("path: bursts of %d, want at most %d", p.LossBurst, burstMax)
	case p.Jitter < 0 || p.Jitter > pathMost || p.ReorderHold < 0 || p.ReorderHold > pathMost:
		return fmt.Errorf("path: want delays of 0 to %v", pathMost)
	}
	return nil
}

func (s *Scenario) checkGroups() error {
	total := 0
	if err := s.Source.Line.check(); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		total += g.Permille
		if g.Role != node.RoleListener && g.Role != node.RoleRelay {
			return fmt.Errorf("group %q: role %d, want a listener or a relay", g.Name, g.Role)
		}
		if err := g.Line.check(); err != nil {
			return fmt.Errorf("group %q: %w", g.Name, err)
		}
		if g.JoinAt < 0 || g.JoinOver < 0 || g.JoinAt > s.Duration || g.JoinOver > s.Duration {
			return fmt.Errorf("group %q: it joins after the %v of the run", g.Name, s.Duration)
		}
	}
	if total != 1000 {
		return fmt.Errorf("groups: their shares add up to %d.%d %%, want 100", total/10, total%10)
	}
	return nil
}

func (l *Line) check() error {
	switch {
	case l.UpBPS < 0 || l.DownBPS < 0:
		return errors.New("line: want rates that are not negative")
	case l.Queue < 0 || l.Queue > pathMost || l.DelayMin < 0 || l.DelayMax < l.DelayMin || l.DelayMax > pathMost:
		return fmt.Errorf("line: want a queue and delays of 0 to %v, the shorter delay first", pathMost)
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
			return fmt.Errorf("arrivals %d: want a share of more than 0, of which not all is in others, and times that are not negative", i)
		case a.Over > 0 && a.Doubling > 0:
			return fmt.Errorf("arrivals %d: want one of over, each and doubling", i)
		case a.At > s.Duration || a.Over > DurationMax || a.Doubling > DurationMax/64:
			return fmt.Errorf("arrivals %d: not within the %v of the run", i, s.Duration)
		}
	}
	if total > 1000 {
		return fmt.Errorf("arrivals: their shares add up to %d.%d %%, want at most 100", total/10, total%10)
	}
	if s.Settled < 0 || s.Settled >= s.Duration {
		return fmt.Errorf("settled: %v, want less than the %v of the run", s.Settled, s.Duration)
	}
	return s.Churn.check(s)
}
