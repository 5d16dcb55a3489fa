// SPDX-License-Identifier: MIT

package gossip_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/gossip"
	"streamer/internal/wire"
)

func silence(netip.AddrPort, wire.Ask) *wire.Answer { return &wire.Answer{} }

// A record counts when its station signed it and it is newer than what is known.
func TestLearn(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	now := r.unix()
	named := func(name string) func(*wire.StationRecord) { return func(s *wire.StationRecord) { s.Name = name } }
	forged := record(1, now+9, named("Forged"))
	forged[len(forged)-1] ^= 1
	for _, c := range []struct {
		why  string
		raw  []byte
		want string // name of station 1 afterwards
	}{
		{"too old to matter", record(1, now-2*60*60-1), ""},
		{"the first", record(1, now-9, named("First")), "First"},
		{"older", record(1, now-10, named("Older")), "First"},
		{"as old", record(1, now-9, named("Same")), "First"},
		{"forged", forged, "First"},
		{"cut", record(1, now-1)[:90], "First"},
		{"newer", record(1, now-8, named("Newer")), "Newer"},
	} {
		r.push(n, c.raw)
		got, _ := n.Station(r.now, stationKey(1).ID())
		if got.Record.Name != c.want {
			t.Errorf("%s: the station is called %q, want %q", c.why, got.Record.Name, c.want)
		}
	}
	if c := n.Counts(r.now); c.RecordsForged != 2 || c.RecordsNew != 2 {
		t.Errorf("%+v", c)
	}
	// Nobody else speaks for a station of this node, even with its key.
	n.SetOwn(r.now, record(2, now, named("Own")))
	r.push(n, record(2, now+5, off))
	if got, _ := n.Station(r.now, stationKey(2).ID()); !got.Online || !got.Own {
		t.Errorf("own station: %+v", got)
	}
	n.SetOwn(r.now, record(2, now+6, off))
	if got, _ := n.Station(r.now, stationKey(2).ID()); got.Online || got.Own {
		t.Errorf("own station after it signed off: %+v", got)
	}
}

// A host that sends what nobody signed is no host any more.
func TestForger(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	forged := record(1, r.unix())
	forged[40] ^= 1
	lie := false
	h := r.play(addr("2.2.2.2:2"), func(netip.AddrPort, wire.Ask) *wire.Answer {
		if lie {
			return &wire.Answer{Records: [][]byte{forged, record(2, r.unix())}}
		}
		return &wire.Answer{}
	})
	r.meet(n, h)
	if n.Counts(r.now).Hosts != 1 {
		t.Fatal("the host is not known")
	}
	lie = true
	r.run(5 * time.Second)
	if c := n.Counts(r.now); c.Hosts != 0 || c.Stations != 0 {
		t.Errorf("%d hosts, %d stations are known", c.Hosts, c.Stations)
	}
}

// On the air while signed within 12 minutes; while listeners are heard, 30; forgotten 2 hours after the last sign of life.
func TestOnlineOfflineGone(t *testing.T) {
	r := newRig(t)
	quiet, heard := stationKey(1).ID(), stationKey(2).ID()
	tuned := true
	n := r.add(addr("1.1.1.1:1"))
	h := r.play(addr("2.2.2.2:2"), func(netip.AddrPort, wire.Ask) *wire.Answer {
		if tuned {
			return &wire.Answer{Tuned: []wire.StationTag{wire.TagOf(heard)}}
		}
		return &wire.Answer{}
	})
	r.push(n, record(1, r.unix()), record(2, r.unix()))
	r.meet(n, h)
	state := func(id [32]byte) string {
		switch s, ok := n.Station(r.now, id); {
		case !ok:
			return "gone"
		case s.Online:
			return "online"
		}
		return "offline"
	}
	for _, c := range []struct {
		at           time.Duration
		quiet, heard string
	}{
		{11*time.Minute + 55*time.Second, "online", "online"},
		{12*time.Minute + 5*time.Second, "offline", "online"},
		{29*time.Minute + 55*time.Second, "offline", "online"},
		{30*time.Minute + 5*time.Second, "offline", "offline"},
		{119*time.Minute + 55*time.Second, "offline", "offline"},
		{120*time.Minute + 15*time.Second, "gone", "offline"},
		{149*time.Minute + 55*time.Second, "gone", "offline"}, // it was heard of until minute 30
		{150*time.Minute + 15*time.Second, "gone", "gone"},
	} {
		r.run(c.at - time.Duration(r.now))
		if q, h := state(quiet), state(heard); q != c.quiet || h != c.heard {
			t.Errorf("after %v: %s and %s, want %s and %s", c.at, q, h, c.quiet, c.heard)
		}
	}
	r.push(n, record(3, r.unix()), record(3, r.unix()+1, off))
	if got := state(stationKey(3).ID()); got != "offline" {
		t.Errorf("a station that signed off is %s", got)
	}
}

// A station that is on the air is not forgotten, and not shown offline, as long as it signs every ten minutes.
func TestOwnStationStays(t *testing.T) {
	r := newRig(t)
	a, b := r.add(addr("1.1.1.1:1")), r.add(addr("2.2.2.2:2"))
	b.AddSeed(r.now, a.addr)
	for range 13 {
		a.SetOwn(r.now, record(1, r.unix()))
		r.run(10 * time.Minute)
		if s, ok := b.Station(r.now, stationKey(1).ID()); !ok || !s.Online || s.Own {
			t.Fatalf("after %v: %+v", time.Duration(r.now), s)
		}
	}
	a.SetOwn(r.now, record(1, r.unix(), off))
	r.run(5 * time.Second)
	if s, _ := b.Station(r.now, stationKey(1).ID()); s.Online {
		t.Error("after it signed off the station is online elsewhere")
	}
}

// News is pushed six times; what was signed long ago, or differs in nothing but the title, is not.
func TestRumours(t *testing.T) {
	for _, c := range []struct {
		why     string
		records func(now int64) [][]byte
		want    int
	}{
		{"new", func(now int64) [][]byte { return [][]byte{record(1, now)} }, 6},
		{"new, but signed two minutes ago", func(now int64) [][]byte { return [][]byte{record(1, now-120)} }, 0},
		{"another title", func(now int64) [][]byte {
			return [][]byte{record(1, now-120), record(1, now, func(s *wire.StationRecord) { s.Title = "T" })}
		}, 0},
		{"another name", func(now int64) [][]byte {
			return [][]byte{record(1, now-120), record(1, now, func(s *wire.StationRecord) { s.Name = "T" })}
		}, 6},
		{"signed off", func(now int64) [][]byte { return [][]byte{record(1, now-120), record(1, now, off)} }, 6},
		{"back", func(now int64) [][]byte { return [][]byte{record(1, now-3600), record(1, now)} }, 6},
	} {
		r := newRig(t)
		n := r.add(addr("1.1.1.1:1"))
		pushed := 0
		var hosts []*node
		for k := range 40 {
			hosts = append(hosts, r.play(addr("%d.1.1.1:1", 20+k), func(_ netip.AddrPort, ask wire.Ask) *wire.Answer {
				pushed += len(ask.Records)
				return &wire.Answer{}
			}))
		}
		r.meet(n, hosts...)
		r.push(n, c.records(r.unix())...)
		r.run(time.Minute)
		if pushed != c.want {
			t.Errorf("%s: pushed %d times, want %d", c.why, pushed, c.want)
		}
	}
}

// An answer brings what the slice holds and the prints lack, and says when there is more; a second ask gets the rest.
func TestReconcile(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	known := map[int]int64{}
	for k := range 30 {
		r.push(n, record(k, r.unix()-300))
		if k >= 10 {
			known[k] = r.unix() - 300
		}
	}
	known[20]-- // an older one is known
	got := map[string]bool{}
	for round := 1; ; round++ {
		a := r.ask(n, addr("3.3.3.3:3"), wire.Ask{Slice: sliceOf(known)}, 600)
		if (a.Stations&0x8000 != 0) != (len(got)+len(a.Records) < 11) || a.Stations&0x7fff != 30 {
			t.Fatalf("after %d of 11 records the answer's stations are %x", len(got)+len(a.Records), a.Stations)
		}
		for _, raw := range a.Records {
			rec, err := wire.ParseStationRecord(raw)
			if err != nil || got[rec.Name] {
				t.Fatalf("%q: %v", rec.Name, err)
			}
			got[rec.Name] = true
			for k := range 30 {
				if stationKey(k).ID() == rec.Station {
					known[k] = int64(rec.Seq)
				}
			}
		}
		if a.Stations&0x8000 == 0 {
			break
		}
	}
	if len(got) != 11 {
		t.Errorf("%d records came, want 11", len(got))
	}
	if a := r.ask(n, addr("3.3.3.3:3"), wire.Ask{Slice: sliceOf(known)}, 600); len(a.Records) != 0 {
		t.Errorf("%d records came again", len(a.Records))
	}
}

// The slice of the newest holds what was signed since, whatever the station.
func TestNewest(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	now := r.unix()
	for k := range 10 {
		r.push(n, record(k, now-300-int64(k)))
	}
	r.push(n, record(20, now+3600)) // somebody's clock is wrong, or he wants to be the newest for ever
	a := r.ask(n, addr("3.3.3.3:3"), wire.Ask{Slice: wire.Slice{Modulus: 0xffff, Salt: uint32(now - 302)}}, 1100)
	var seqs []uint32
	for _, raw := range a.Records {
		rec, _ := wire.ParseStationRecord(raw)
		seqs = append(seqs, rec.Seq)
	}
	slices.Sort(seqs)
	if want := []uint32{uint32(now) - 302, uint32(now) - 301, uint32(now) - 300}; !slices.Equal(seqs, want) {
		t.Errorf("the newest are %v, want %v", seqs, want)
	}
}

// Whoever invents stations pushes out his own.
func TestInventedStations(t *testing.T) {
	if testing.Short() {
		t.Skip("signs thousands of records")
	}
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"), func(c *gossip.Config) {
		c.Parse = func(raw []byte) (*gossip.Record, error) { // signatures are not what is tested
			id, seq, err := wire.PeekStationRecord(raw)
			rec := wire.StationRecord{Station: id, Seq: seq, OnAir: true, Entries: []netip.AddrPort{addr("%d.%d.1.1:1", raw[40], raw[41])}}
			return &gossip.Record{StationRecord: rec, Raw: bytes.Clone(raw)}, err
		}
	})
	fake := func(k int, net byte) []byte {
		raw := make([]byte, 120)
		raw[0], raw[1], raw[2], raw[3] = byte(k>>8), byte(k), net, 1
		raw[35] = 0 // sequence number
		for i, v := range []byte{byte(r.unix() >> 24), byte(r.unix() >> 16), byte(r.unix() >> 8), byte(r.unix())} {
			raw[32+i] = v
		}
		raw[40], raw[41] = net, byte(k)
		if net == 66 {
			raw[41] = 6 // all in one network
		}
		return raw
	}
	for k := range 200 {
		r.push(n, fake(k, 20))
	}
	for k := range 4300 {
		r.push(n, fake(k, 66))
		if k%500 == 0 {
			r.run(10 * time.Second)
		}
	}
	for k := range 100 {
		r.push(n, fake(k, 30))
	}
	honest := 0
	list := n.Stations(r.now)
	for _, s := range list {
		if s.Record.Entries[0].Addr().As4()[0] != 66 {
			honest++
		}
	}
	if honest != 300 || len(list) != gossip.StationsMax {
		t.Errorf("%d of 300 honest stations are among %d", honest, len(list))
	}
}

func TestLookupAndOrder(t *testing.T) {
	r := newRig(t)
	n := r.add(addr("1.1.1.1:1"))
	names := []string{"Jazz", "Jazz Nights", "All that Jazz", "Blues"}
	for k, name := range names {
		r.push(n, record(k, r.unix()-int64(k), func(s *wire.StationRecord) { s.Name = name }))
	}
	r.push(n, record(9, r.unix()-50, func(s *wire.StationRecord) { s.Name, s.OnAir = "Old blues", false }))
	r.push(n, record(8, r.unix()-40, func(s *wire.StationRecord) { s.Name, s.OnAir = "Older", false }))
	var hosts []*node
	for k := range 5 {
		id := stationKey(min(k, 3)).ID()
		if k < 2 {
			id = stationKey(3).ID()
		}
		hosts = append(hosts, r.play(addr("%d.1.1.1:1", 20+k), func(netip.AddrPort, wire.Ask) *wire.Answer {
			return &wire.Answer{Tuned: []wire.StationTag{wire.TagOf(id)}}
		}))
	}
	r.meet(n, hosts...)
	namesOf := func(list []gossip.StationInfo) (names []string) {
		for _, s := range list {
			names = append(names, s.Record.Name)
		}
		return names
	}
	all := n.Stations(r.now)
	if got, want := namesOf(all), []string{"Blues", "All that Jazz", "Jazz", "Jazz Nights", "Older", "Old blues"}; !slices.Equal(got, want) {
		t.Errorf("the list is %q, want %q", got, want)
	}
	if all[0].Heard != 4 || all[1].Heard != 1 {
		t.Errorf("heard %d and %d", all[0].Heard, all[1].Heard)
	}
	for name, want := range map[string][]string{
		"jazz": {"Jazz"}, "JAZZ N": {"Jazz Nights"}, " blues ": {"Blues"}, "that": {"All that Jazz"}, "ja": {"Jazz", "Jazz Nights"}, "": nil, "rock": nil,
	} {
		if got := namesOf(n.Lookup(r.now, name)); !slices.Equal(got, want) {
			t.Errorf("%q means %q, want %q", name, got, want)
		}
	}
}
