// SPDX-License-Identifier: MIT

package sim

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"streamer/internal/mesh"
	"streamer/internal/node"
)

// What a scenario file need not say.
const (
	watchDefault     = time.Minute
	bitrateDefault   = 128_000
	playDelayDefault = 3 * time.Second
	restDefault      = 20 * time.Second
	firstJoin        = time.Second
	lineUpLeast      = 64_000 // bit/s of a line whose rate is not given
	indexLeast       = 0.01
	indexMost        = 1000
)

// wirePercent is what a listener needs on the wire, of the audio's rate: a tenth goes with it.
const wirePercent = 110

// The words of scenario files.
var (
	roleWords  = map[string]node.Role{"": node.RoleListener, "listener": node.RoleListener, "relay": node.RoleRelay}
	knowsWords = map[string]Hints{
		"": HintSource, "source": HintSource, "previous": HintPrevious, "random": HintRandom, "nobody": HintNobody,
	}
	hostileWords = map[string]Hostility{
		"": 0, "alter": HostileAlter, "replay": HostileReplay, "forge": HostileForge, "boast": HostileMap, "nag": HostileStorm,
	}
	faultWords = map[string]FaultKind{
		"crash": FaultCrash, "leave": FaultLeave, "restart": FaultRestart, "partition": FaultPartition, "loss": FaultLoss,
		"end": FaultEnd, "epoch": FaultNextEpoch, "seeds": FaultSeeds, "reboot": FaultReboot, "readdress": FaultReaddress,
	}
)

// word looks a word up.
func word[T any](words map[string]T, what, text string) (T, error) {
	v, ok := words[text]
	if !ok {
		known := make([]string, 0, len(words))
		for w := range words {
			if w != "" {
				known = append(known, w)
			}
		}
		slices.Sort(known)
		return v, fmt.Errorf("%s %q: write one of %s", what, text, strings.Join(known, ", "))
	}
	return v, nil
}

// Scenario returns the scenario for a number of hosts.
func (f *File) Scenario(nodes int) (Scenario, error) {
	s, err := f.scenario(nodes)
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", f.Name, err)
	}
	return s, nil
}

func (f *File) scenario(nodes int) (s Scenario, err error) {
	if nodes < 1 || nodes > NodesMax {
		return s, fmt.Errorf("nodes: %d, want 1 to %d", nodes, NodesMax)
	}
	s = Scenario{
		Name: f.Name, About: f.About, Nodes: nodes, BitrateBPS: int64(f.Bitrate), PlayDelay: time.Duration(f.PlayDelay),
		Skew:   time.Duration(f.Skew),
		Gossip: f.Gossip, Seeds: f.Seeds,
	}
	if s.BitrateBPS == 0 {
		s.BitrateBPS = bitrateDefault
	}
	if s.PlayDelay == 0 {
		s.PlayDelay = playDelayDefault
	}
	if s.Without, err = mesh.MechanismsOf(f.Without); err != nil {
		return s, fmt.Errorf("without: %w", err)
	}
	if s.Path, err = f.Path.path(); err != nil {
		return s, err
	}
	if err = f.groups(&s); err != nil {
		return s, err
	}
	if err = f.times(&s); err != nil {
		return s, err
	}
	if err = f.churn(&s); err != nil {
		return s, err
	}
	return s, f.faults(&s)
}

func (p *filePath) path() (Path, error) {
	loss, err := p.Loss.ppm("path, loss_percent")
	if err != nil {
		return Path{}, err
	}
	late, err := p.Late.ppm("path, late_percent")
	return Path{Jitter: time.Duration(p.Jitter), LossPPM: loss, LossBurst: p.LossBurst, ReorderPPM: late, ReorderHold: time.Duration(p.LateBy)}, err
}

// groups fills in who the hosts are.
func (f *File) groups(s *Scenario) (err error) {
	need := s.BitrateBPS * wirePercent / 100
	if len(f.Groups) > groupsMax {
		return fmt.Errorf("%d groups, write at most %d", len(f.Groups), groupsMax)
	}
	source := f.Source
	if source.Name == "" {
		source.Name = "source"
	}
	if !source.Upload.given {
		source.Upload.needs = 2
	}
	if s.Source, err = source.group(need); err != nil {
		return err
	}
	for i := range f.Groups {
		g, err := f.Groups[i].group(need)
		if err != nil {
			return err
		}
		s.Groups = append(s.Groups, g)
	}
	if f.ResourceIndex == 0 {
		return nil
	}
	if !(f.ResourceIndex >= indexLeast && f.ResourceIndex <= indexMost) {
		return fmt.Errorf("resource_index: %v, write %v to %v", f.ResourceIndex, indexLeast, indexMost)
	}
	return f.provide(s, float64(need))
}

// provide scales the upload of the groups so that the resource index is what the file says.
func (f *File) provide(s *Scenario, need float64) error {
	wanted := max(0, need*float64(s.Nodes)*f.ResourceIndex-float64(s.Source.UploadBPS))
	var given float64
	for i, members := range s.members() {
		if s.Groups[i].UploadBPS < 0 {
			return fmt.Errorf("group %q: it offers no number, so a resource_index cannot hold; give its upload", s.Groups[i].Name)
		}
		given += float64(s.Groups[i].UploadBPS) * float64(members)
	}
	if given == 0 {
		return fmt.Errorf("resource_index: %v cannot be had: no group offers anything", f.ResourceIndex)
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		g.UploadBPS = int64(math.Round(float64(g.UploadBPS) * wanted / given))
		if f.Groups[i].Up == 0 {
			g.Line.UpBPS = lineUp(g.UploadBPS)
		}
	}
	return nil
}

// lineUp is the rate of a line whose owner lets so much of it be used: four fifths.
func lineUp(upload int64) int64 { return max(upload/4*5, lineUpLeast) }

// group reads one group, where a listener needs so much upload.
func (g *fileGroup) group(need int64) (Group, error) {
	r := Group{Name: g.Name, UploadBPS: g.Upload.rate(need)}
	fail := func(err error) (Group, error) { return Group{}, fmt.Errorf("group %q: %w", g.Name, err) }
	var err error
	if r.Permille, err = g.Share.permille("share_percent"); err != nil {
		return fail(err)
	}
	if r.Role, err = word(roleWords, "role", g.Role); err != nil {
		return fail(err)
	}
	if r.Hints, err = word(knowsWords, "knows", g.Knows); err != nil {
		return fail(err)
	}
	if r.Hostile, err = word(hostileWords, "hostile", g.Hostile); err != nil {
		return fail(err)
	}
	if g.Home != "" {
		if r.Home, err = HomeOf(g.Home); err != nil {
			return fail(err)
		}
	}
	r.Line = Line{UpBPS: int64(g.Up), DownBPS: int64(g.Down), Queue: time.Duration(g.Queue)}
	if g.Up == 0 && r.UploadBPS >= 0 {
		r.Line.UpBPS = lineUp(r.UploadBPS)
	}
	switch len(g.Delay) {
	case 0:
		r.Line.DelayMin, r.Line.DelayMax = 5*time.Millisecond, 35*time.Millisecond
	case 2:
		r.Line.DelayMin, r.Line.DelayMax = time.Duration(g.Delay[0]), time.Duration(g.Delay[1])
	default:
		return fail(fmt.Errorf("delay: %d times, write the shortest and the longest one way, like [\"5ms\", \"35ms\"]", len(g.Delay)))
	}
	if g.Join != nil {
		r.JoinAt, r.JoinOver = max(time.Duration(g.Join.At), time.Millisecond), time.Duration(g.Join.Over)
	}
	return r, nil
}

// times fills in who joins when, and how long the run is.
func (f *File) times(s *Scenario) error {
	gather := Arrivals{Permille: 1000, At: firstJoin, Over: time.Duration(f.Gather.Over), Doubling: time.Duration(f.Gather.Doubling)}
	if len(f.Crowds) >= arrivalsMax {
		return fmt.Errorf("%d crowds, write at most %d", len(f.Crowds), arrivalsMax-1)
	}
	for i := range f.Crowds {
		share, err := f.Crowds[i].Share.permille("crowd, share_percent")
		if err != nil {
			return err
		}
		gather.Permille -= share
	}
	if each := time.Duration(f.Gather.Each); each > 0 {
		if each > DurationMax/time.Duration(s.Nodes) {
			return errors.New("gather: that takes more than a day; make each shorter")
		}
		gather.Over = each * time.Duration(s.Nodes)
	}
	rest := time.Duration(f.Gather.Rest)
	if rest == 0 {
		rest = restDefault
	}
	if gather.Over > DurationMax || gather.Doubling > DurationMax/64 {
		return errors.New("gather: that takes more than a day; make it shorter")
	}
	s.Arrivals = []Arrivals{gather}
	s.Settled = gather.last(s.Nodes) + rest
	watch := time.Duration(f.Watch)
	if watch == 0 {
		watch = watchDefault
	}
	s.Duration = s.Settled + watch
	for _, c := range f.Crowds {
		share, _ := c.Share.permille("") // looked at above
		if c.At > span(watch) || c.Over > span(watch)-c.At {
			return fmt.Errorf("crowd: the last comes after the %v that are watched", watch)
		}
		s.Arrivals = append(s.Arrivals, Arrivals{Permille: share, At: s.Settled + time.Duration(c.At), Over: time.Duration(c.Over)})
	}
	return nil
}

func (f *File) churn(s *Scenario) (err error) {
	c := f.Churn
	if c == nil {
		return nil
	}
	n := math.Round(float64(c.PerMinute) * 10)
	if !(n >= 1 && n <= churnMost) {
		return fmt.Errorf("churn, percent_per_minute: %v, write 0.1 to %d", float64(c.PerMinute), churnMost/10)
	}
	s.Churn = Churn{Permille: int(n), From: s.Settled + time.Duration(c.At), HeavyTail: c.HeavyTail}
	if c.For > 0 {
		s.Churn.Until = s.Churn.From + time.Duration(c.For)
	}
	s.Churn.Polite, err = c.Polite.permille("churn, polite_percent")
	return err
}

// faults fills in what happens.
func (f *File) faults(s *Scenario) error {
	for i := range f.Faults {
		fault, err := f.Faults[i].fault(s.Settled)
		if err != nil {
			return fmt.Errorf("fault %d: %w", i+1, err)
		}
		times := max(1, f.Faults[i].Times)
		if len(s.Faults)+times > faultsMax {
			return fmt.Errorf("more than %d faults; leave some out", faultsMax)
		}
		for range times {
			s.Faults = append(s.Faults, fault)
			fault.At += time.Duration(f.Faults[i].Every)
			fault.Again = true
		}
	}
	return nil
}

func (f *fileFault) fault(origin time.Duration) (Fault, error) {
	r := Fault{At: origin + time.Duration(f.At), For: time.Duration(f.For), Group: f.Group, Count: f.Count, Feeding: f.Feeding, Replace: f.Replace}
	var err error
	if r.Kind, err = word(faultWords, "kind", f.Kind); err != nil {
		return r, err
	}
	if r.Permille, err = f.Share.permille("share_percent"); err != nil {
		return r, err
	}
	if r.LossPPM, err = f.Loss.ppm("loss_percent"); err != nil {
		return r, err
	}
	if f.Network != "" {
		if r.Network, err = netip.ParsePrefix(f.Network); err != nil {
			return r, fmt.Errorf("network %q: write a prefix of 11.0.0.0/8, like \"11.64.0.0/16\"", f.Network)
		}
	}
	return r, nil
}
