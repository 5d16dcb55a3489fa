// SPDX-License-Identifier: MIT

package daemon_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"streamer/internal/codec"
	"streamer/internal/daemon"
	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/web"
	"streamer/internal/wire"
)

var listTime = time.Unix(1_800_000_000, 0)

func listed(n byte, name string, online bool, heard int, age time.Duration) gossip.StationInfo {
	return gossip.StationInfo{
		Record: wire.StationRecord{Station: stationID(n), Name: name, Genre: "jazz", Codec: uint8(codec.FormatMPEG), KBPS: 128},
		Heard:  heard, Audience: 10 * heard, Online: online, LastAlive: listTime.Add(-age).Unix(),
	}
}

func stationNames(list []web.Station) (names []string) {
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names
}

// On the air first, by listeners; then the others, by when they were last alive; what was never alive comes last.
func TestStationsInOrder(t *testing.T) {
	list := daemon.MergeStations([]web.Station{
		{ID: stationID(9), Name: "never", LastAlive: -1},
		{ID: stationID(8), Name: "carried", Online: true, Listeners: 4, LastAlive: 0},
	}, []gossip.StationInfo{
		listed(1, "five", true, 5, 0), listed(2, "three", true, 3, 0), listed(3, "long ago", false, 0, time.Hour),
		listed(4, "just now", false, 0, time.Minute),
	}, listTime)
	if want := []string{"five", "carried", "three", "just now", "long ago", "never"}; !slices.Equal(stationNames(list), want) {
		t.Errorf("got %q, want %q", stationNames(list), want)
	}
}

// What a record says is what people see.
func TestListedStation(t *testing.T) {
	info := listed(1, "Radio Nord", true, 2, -time.Hour) // its clock is ahead of ours
	info.Record.Description, info.Record.URL, info.Record.Title = "d", "https://radio.example/", "A - T"
	info.Record.Entries = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:8466")}
	got := daemon.MergeStations(nil, []gossip.StationInfo{info}, listTime)[0]
	want := web.Station{
		ID: stationID(1), Name: "Radio Nord", Genre: "jazz", Description: "d", URL: "https://radio.example/", Title: "A - T",
		Codec: "mp3", BitrateBPS: 128_000, Listeners: 2, Audience: 20, Online: true,
		Link: identity.Link{Station: stationID(1), Name: "Radio Nord", Peers: []string{"192.0.2.1:8466"}}.String(),
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// A station that this node carries is one entry, and what the node has at first hand goes before what it was told.
func TestCarriedStationIsListedOnce(t *testing.T) {
	info := listed(1, "old name", true, 2, time.Minute)
	list := daemon.MergeStations([]web.Station{{
		ID: stationID(1), Name: "new name", Codec: "opus", Listeners: 30, Online: true, Link: "streamerp2p://" + stationID(1).String(),
	}}, []gossip.StationInfo{info}, listTime)
	if len(list) != 1 {
		t.Fatalf("got %d entries", len(list))
	}
	got := list[0]
	if got.Name != "new name" || got.Codec != "opus" || got.LastAlive != 0 || got.Listeners != 30 || got.Audience != 30 {
		t.Errorf("first hand is not first: %+v", got)
	}
	if got.Genre != "jazz" || got.BitrateBPS != 128_000 {
		t.Errorf("what only the record says is missing: %+v", got)
	}
	list = daemon.MergeStations([]web.Station{{ID: stationID(1), LastAlive: -1}}, []gossip.StationInfo{info}, listTime)
	if got := list[0]; len(list) != 1 || got.Name != "old name" || !got.Online || got.LastAlive != time.Minute || got.Listeners != 2 ||
		got.Audience != 20 {
		t.Errorf("tuned in, nothing heard yet: %+v", got)
	}
}

func TestCodecWords(t *testing.T) {
	for f, want := range map[codec.Format]string{
		codec.FormatMPEG: "mp3", codec.FormatAAC: "aac", codec.FormatOggVorbis: "vorbis", codec.FormatOggOpus: "opus",
		codec.FormatOggFLAC: "flac", codec.FormatFLAC: "flac", codec.FormatWebM: "webm", codec.FormatUnknown: "", 200: "",
	} {
		if got := daemon.FormatCodec(f); got != want {
			t.Errorf("%v: got %q, want %q", f, got, want)
		}
	}
}

// BenchmarkStationList makes the list of all stations that a node can know, as for each look of event streams.
func BenchmarkStationList(b *testing.B) {
	var listed []gossip.StationInfo
	for i := range gossip.StationsMax {
		info := gossip.StationInfo{Record: wire.StationRecord{
			Station: identity.NewStationKey([32]byte{byte(i), byte(i >> 8)}).ID(), Name: "Radio of some name", Genre: "jazz",
			Entries: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:8466"), netip.MustParseAddrPort("[2001:db8::1]:8466")},
		}, Heard: i % 7, Online: true, LastAlive: listTime.Unix()}
		listed = append(listed, info)
	}
	b.ReportAllocs()
	for b.Loop() {
		daemon.MergeStations(nil, listed, listTime)
	}
}
