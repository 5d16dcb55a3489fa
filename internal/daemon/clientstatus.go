// SPDX-License-Identifier: MIT

package daemon

// Status is what /api/v1/status says (openapi.json). A nil pointer means unknown, or, for a budget, none.
type Status struct {
	Version      string `json:"version"`
	NodeID       string `json:"node_id"`
	UDPPort      int    `json:"udp_port"`
	UptimeS      int64  `json:"uptime_s"`
	Reachability string `json:"reachability"`
	NAT          struct {
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
	} `json:"nat"`
	Portmap struct {
		IPv4 PortmapStatus `json:"ipv4"`
		IPv6 PortmapStatus `json:"ipv6"`
	} `json:"portmap"`
	Upload struct {
		BudgetBPS   *int64 `json:"budget_bps"`
		MeasuredBPS *int64 `json:"measured_bps"`
		UsedBPS     int64  `json:"used_bps"`
		Test        struct {
			State   string `json:"state"`
			Percent int    `json:"percent"`
			BPS     *int64 `json:"bps"`
			AtLeast bool   `json:"at_least"`
		} `json:"test"`
	} `json:"upload"`
	Given struct {
		SessionBytes uint64 `json:"session_bytes"`
		TodayBytes   uint64 `json:"today_bytes"`
		TotalBytes   uint64 `json:"total_bytes"`
	} `json:"given"`
	FirstStart bool `json:"first_start"`
	Hosts      struct {
		Known     int `json:"known"`
		Answering int `json:"answering"`
	} `json:"hosts"`
	Peers   int           `json:"peers"`
	Players int           `json:"players"`
	Tuned   []TunedStatus `json:"tuned"`
}

// PortmapStatus is what the router did about the node's port in one family.
type PortmapStatus struct {
	State    string  `json:"state"`
	Protocol *string `json:"protocol"`
	External *string `json:"external"`
	Words    string  `json:"words"`
}

// TunedStatus is one station that the node carries.
type TunedStatus struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Role       string `json:"role"`
	Online     bool   `json:"online"`
	Codec      string `json:"codec"`
	BitrateBPS int64  `json:"bitrate_bps"`
	Title      string `json:"title"`
	Hops       *int   `json:"hops"`
	BufferMS   int64  `json:"buffer_ms"`
	LagMS      *int64 `json:"lag_ms"`
	Full       *struct {
		Peers   int   `json:"peers"`
		TryInMS int64 `json:"try_in_ms"`
	} `json:"full"`
	Chunks struct {
		Received  uint64 `json:"received"`
		Repaired  uint64 `json:"repaired"`
		Missing   uint64 `json:"missing"`
		Duplicate uint64 `json:"duplicate"`
	} `json:"chunks"`
	Bytes struct {
		PayloadIn uint64 `json:"payload_in"`
		WireIn    uint64 `json:"wire_in"`
		WireOut   uint64 `json:"wire_out"`
	} `json:"bytes"`
	Timeline *struct {
		FromMS int64 `json:"from_ms"`
		LiveMS int64 `json:"live_ms"`
	} `json:"timeline"`
	Parents  []ParentStatus `json:"parents"`
	Children []ChildStatus  `json:"children"`
	Position struct {
		Standing    string       `json:"standing"`
		Classes     []ClassPlace `json:"classes"`
		GiveBPS     int64        `json:"give_bps"`
		SpareBPS    int64        `json:"spare_bps"`
		RoomClasses int          `json:"room_classes"`
	} `json:"position"`
}

// NeighborStatus is what a parent and a child have in common.
type NeighborStatus struct {
	NodeID    string `json:"node_id"`
	Addr      string `json:"addr"`
	Classes   []int  `json:"classes"`
	Manifests bool   `json:"manifests"`
	RTTMS     int64  `json:"rtt_ms"`
	LAN       bool   `json:"lan"`
}

// ParentStatus is how the stream comes from one parent.
type ParentStatus struct {
	NeighborStatus

	Hops      *int     `json:"hops"`
	LagMS     *int64   `json:"lag_ms"`
	Ancestors []string `json:"ancestors"`
}

// ChildStatus is what goes to one child.
type ChildStatus struct {
	NeighborStatus

	UploadBPS int64 `json:"upload_bps"`
	Leaf      bool  `json:"leaf"`
}

// ClassPlace is the node's place in the tree of one class.
type ClassPlace struct {
	Parent   *string `json:"parent"`
	Hops     *int    `json:"hops"`
	Children int     `json:"children"`
}

// StationInfo is one entry of /api/v1/stations.
type StationInfo struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Genre       string `json:"genre"`
	Description string `json:"description"`
	URL         string `json:"url"`
	Codec       string `json:"codec"`
	BitrateBPS  int64  `json:"bitrate_bps"`
	Title       string `json:"title"`
	Listeners   int    `json:"listeners"`
	Audience    int    `json:"audience_estimate"`
	Online      bool   `json:"online"`
	LastAliveS  *int64 `json:"last_alive_s"`
	Link        string `json:"link"`
}
