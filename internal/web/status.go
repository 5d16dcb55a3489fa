// SPDX-License-Identifier: MIT

package web

import (
	"cmp"
	"net/netip"
	"time"

	"streamer/internal/identity"
	"streamer/internal/node"
)

// statusJSON and the types below are the JSON of the API. Names never change; new ones may come. A null is "unknown".
type statusJSON struct {
	Version      string      `json:"version"`
	NodeID       string      `json:"node_id"`
	UDPPort      int         `json:"udp_port"`
	Uptime       int64       `json:"uptime_s"`
	Reachability string      `json:"reachability"`
	NAT          natJSON     `json:"nat"`
	Portmap      portmapJSON `json:"portmap"`
	Upload       uploadJSON  `json:"upload"`
	Given        givenJSON   `json:"given"`
	FirstStart   bool        `json:"first_start"`
	Hosts        hostsJSON   `json:"hosts"`
	Peers        int         `json:"peers"`
	Players      int         `json:"players"`
	Tuned        []tunedJSON `json:"tuned"`
}

// natJSON is what is known of routers and firewalls between the node and others: RFC 4787's words, and words for people.
type natJSON struct {
	Mapping   string  `json:"mapping"`
	Filtering string  `json:"filtering"`
	Outside4  *string `json:"outside_ipv4"`
	Outside6  *string `json:"outside_ipv6"`
	PortKept  bool    `json:"port_kept"`
	PortStep  int     `json:"port_step"`
	Carrier   bool    `json:"carrier_grade"`
	Lifetime  *int64  `json:"mapping_lifetime_s"`
	Expiry    *int64  `json:"mapping_expiry_s"`
	Remembers string  `json:"mapping_lifetime"`
	Proxies   int     `json:"proxies"`
	Clients   int     `json:"clients"`
	Summary   string  `json:"summary"`
	Advice    string  `json:"advice"`
}

type portmapJSON struct {
	IPv4 portmapStateJSON `json:"ipv4"`
	IPv6 portmapStateJSON `json:"ipv6"`
}

type portmapStateJSON struct {
	State    string  `json:"state"`
	Protocol *string `json:"protocol"`
	External *string `json:"external"`
	Words    string  `json:"words"`
}

type uploadJSON struct {
	Budget   *int64 `json:"budget_bps"`
	Measured *int64 `json:"measured_bps"`
	Used     int64  `json:"used_bps"`

	Test uploadTestJSON `json:"test"`
}

// An uploadTestJSON is the last measurement on purpose.
type uploadTestJSON struct {
	State   string `json:"state"`
	Percent int    `json:"percent"`
	BPS     *int64 `json:"bps"`
	AtLeast bool   `json:"at_least"`
}

func newUploadTest(m node.MeasureStatus) uploadTestJSON {
	j := uploadTestJSON{State: m.State.String(), Percent: m.Percent, AtLeast: m.AtLeast}
	if m.BPS > 0 {
		j.BPS = &m.BPS
	}
	return j
}

type givenJSON struct {
	Session uint64 `json:"session_bytes"`
	Today   uint64 `json:"today_bytes"`
	Total   uint64 `json:"total_bytes"`
}

type hostsJSON struct {
	Known     int `json:"known"`
	Answering int `json:"answering"`
}

type tunedJSON struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Role     string        `json:"role"`
	Online   bool          `json:"online"`
	Codec    string        `json:"codec"`
	Bitrate  int64         `json:"bitrate_bps"`
	Title    string        `json:"title"`
	Hops     *int          `json:"hops"`
	Buffer   int64         `json:"buffer_ms"`
	Lag      *int64        `json:"lag_ms"`
	Full     *fullJSON     `json:"full"`
	Chunks   chunksJSON    `json:"chunks"`
	Bytes    bytesJSON     `json:"bytes"`
	Parents  []parentJSON  `json:"parents"`
	Children []childJSON   `json:"children"`
	Position positionJSON  `json:"position"`
	Timeline *timelineJSON `json:"timeline"`
}

// A fullJSON says that nobody brings the node a part of the stream, since those whom it asked have no upload left.
type fullJSON struct {
	Peers int   `json:"peers"`
	TryIn int64 `json:"try_in_ms"`
}

type chunksJSON struct {
	Received  uint64 `json:"received"`
	Repaired  uint64 `json:"repaired"`
	Missing   uint64 `json:"missing"`
	Duplicate uint64 `json:"duplicate"`
}

type bytesJSON struct {
	PayloadIn uint64 `json:"payload_in"`
	WireIn    uint64 `json:"wire_in"`
	WireOut   uint64 `json:"wire_out"`
}

type stationJSON struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Genre       string `json:"genre"`
	Description string `json:"description"`
	URL         string `json:"url"`
	Codec       string `json:"codec"`
	Bitrate     int64  `json:"bitrate_bps"`
	Title       string `json:"title"`
	Listeners   int    `json:"listeners"`
	Audience    int    `json:"audience_estimate"`
	Online      bool   `json:"online"`
	LastAlive   *int64 `json:"last_alive_s"`
	Link        string `json:"link"`
}

const unknown = "unknown"

func newStatus(s Snapshot) statusJSON {
	j := statusJSON{
		Version: s.Version, NodeID: s.Node.NodeID.String(), UDPPort: s.UDPPort, Uptime: int64(s.Uptime / time.Second),
		Reachability: s.Node.Reach.Reachability(),
		NAT:          newNAT(&s.Node.Reach),
		Portmap:      portmapJSON{newPortmap(s.Portmap.IPv4), newPortmap(s.Portmap.IPv6)},
		Upload:       uploadJSON{Used: s.Node.Upload.UsedBPS, Test: newUploadTest(s.Node.Measure)},
		Given:        givenJSON(s.Given), FirstStart: !s.Settings.Saved,
		Hosts: hostsJSON{s.HostsKnown, s.HostsAlive},
		Peers: s.Node.Peers, Players: s.Players.Players, Tuned: []tunedJSON{},
	}
	if s.Node.Upload.BudgetBPS != node.UploadAuto {
		j.Upload.Budget = &s.Node.Upload.BudgetBPS
	}
	if s.Node.Upload.MeasuredBPS != 0 {
		j.Upload.Measured = &s.Node.Upload.MeasuredBPS
	}
	about := make(map[identity.StationID]*Station, len(s.Node.Tuned))
	for _, t := range s.Node.Tuned {
		about[t.ID] = &Station{}
	}
	for i := range s.Stations {
		if st := &s.Stations[i]; about[st.ID] != nil {
			about[st.ID] = st
		}
	}
	for i, t := range s.Node.Tuned {
		j.Tuned = append(j.Tuned, newTuned(t, &s.Pictures[i], &s.Playing[i], about[t.ID]))
	}
	return j
}

func newNAT(r *node.ReachStatus) natJSON {
	j := natJSON{Mapping: r.Mapping.String(), Filtering: r.Filtering.String(), PortKept: r.PortKept, PortStep: r.Step,
		Carrier: r.Carrier, Proxies: len(r.Proxies), Clients: r.Clients, Outside4: address(r.Outside4), Outside6: address(r.Outside6)}
	j.Lifetime, j.Expiry, j.Remembers = seconds(r.Lifetime), seconds(r.Expiry), r.LifetimeWords()
	j.Summary, j.Advice = r.Words()
	return j
}

// seconds is nil when it is not known.
func seconds(d time.Duration) *int64 {
	if d == 0 {
		return nil
	}
	s := int64(d / time.Second)
	return &s
}

func address(a netip.AddrPort) *string {
	if !a.IsValid() {
		return nil
	}
	s := a.String()
	return &s
}

func newPortmap(p PortmapState) portmapStateJSON {
	j := portmapStateJSON{State: cmp.Or(p.State, "off"), Words: p.Words}
	if p.Protocol != "" {
		j.Protocol, j.External = &p.Protocol, &p.External
	}
	return j
}

func newTuned(t node.StationStatus, pic *node.Picture, playing *Playing, about *Station) tunedJSON {
	j := tunedJSON{
		ID: t.ID.String(), Name: about.Name, Role: roleName(t.Role), Online: t.OnAir && !t.Ended,
		Codec: about.Codec, Bitrate: cmp.Or(t.BitrateBPS, about.BitrateBPS), Title: about.Title,
		Buffer:  t.Buffer.Milliseconds(),
		Chunks:  chunksJSON(t.Chunks),
		Bytes:   bytesJSON(t.Bytes),
		Parents: newParents(t.Parents, pic), Children: newChildren(t.Children, pic), Position: newPosition(t, pic),
		Timeline: newTimeline(playing),
	}
	if t.Hops >= 0 {
		j.Hops = &t.Hops
	}
	if t.Full > 0 {
		j.Full = &fullJSON{t.Full, t.TryIn.Milliseconds()}
	}
	if t.Lag != 0 {
		lag := t.Lag.Milliseconds()
		j.Lag = &lag
	}
	return j
}

func newStations(stations []Station) []stationJSON {
	list := make([]stationJSON, 0, len(stations))
	for i := range stations {
		list = append(list, newStation(stations[i]))
	}
	return list
}

func newStation(s Station) stationJSON {
	j := stationJSON{
		ID: s.ID.String(), Name: s.Name, Genre: s.Genre, Description: s.Description, URL: s.URL, Codec: s.Codec,
		Bitrate: s.BitrateBPS, Title: s.Title, Listeners: s.Listeners, Audience: s.Audience, Online: s.Online, Link: s.Link,
	}
	if s.LastAlive >= 0 {
		seconds := int64(s.LastAlive / time.Second)
		j.LastAlive = &seconds
	}
	return j
}

func roleName(r node.Role) string {
	switch r {
	case node.RoleListener:
		return "listener"
	case node.RoleRelay:
		return "relay"
	case node.RoleSource:
		return "source"
	}
	return unknown
}
