// SPDX-License-Identifier: MIT

//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// A report is what the children heard, and what the relay used for it, while it was measured.
type report struct {
	Children  int     `json:"children"`
	Playing   int     `json:"playing"` // children that heard anything
	DurationS float64 `json:"duration_s"`
	Chunks    uint64  `json:"chunks"` // of audio, all children together
	Missing   uint64  `json:"missing"`
	Repaired  uint64  `json:"repaired"`
	Duplicate uint64  `json:"duplicate"`
	FromRelay float64 `json:"from_relay"` // share of classes that the children take from the peer of the link

	// The relay's process, in microseconds for each child and second, and in bytes.
	CPU       float64 `json:"relay_cpu_us"`
	CPUUser   float64 `json:"relay_cpu_user_us"`
	CPUSystem float64 `json:"relay_cpu_system_us"`
	RSSBefore int64   `json:"relay_rss_before_bytes"` // before the first child joined
	RSSAfter  int64   `json:"relay_rss_after_bytes"`
	BytesPer  float64 `json:"relay_bytes_per_child"`

	// This process: when it is late or loses datagrams, the figures say less about the relay.
	OwnCPU       float64 `json:"load_cpu_us"`
	Late         float64 `json:"load_late_s"` // longest time that a child's timer waited
	SocketDrops  uint32  `json:"load_socket_drops"`
	SendsRefused uint64  `json:"load_sends_refused"`

	classes, relayed int // that the children take from anybody, and from the relay
}

// charge fills in what the relay and this process used.
func (r *report) charge(before, first, last mark) {
	r.DurationS = last.relay.at.Sub(first.relay.at).Seconds()
	perChild := 1e6 / r.DurationS / float64(r.Children)
	r.CPUUser = (last.relay.user - first.relay.user).Seconds() * perChild
	r.CPUSystem = (last.relay.system - first.relay.system).Seconds() * perChild
	r.CPU = r.CPUUser + r.CPUSystem
	r.RSSBefore, r.RSSAfter = before.relay.rss, last.relay.rss
	r.BytesPer = float64(r.RSSAfter-r.RSSBefore) / float64(r.Children)
	r.OwnCPU = (last.own.user + last.own.system - first.own.user - first.own.system).Seconds() * perChild
	if r.classes > 0 {
		r.FromRelay = float64(r.relayed) / float64(r.classes)
	}
}

func (r *report) json(to io.Writer) error {
	e := json.NewEncoder(to)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// row is the report as a row of a Markdown table; tableHead is the head of the table.
func (r *report) row(to io.Writer) error {
	_, err := fmt.Fprintf(to, "| %d | %.1f | %.1f | %.1f | %.1f kB | %.1f MB | %d | %d | %d | %.1f | %d |\n",
		r.Children, r.CPU, r.CPUUser, r.CPUSystem, r.BytesPer/1000, float64(r.RSSAfter)/1e6, r.Chunks, r.Missing, r.Duplicate,
		r.OwnCPU, r.SocketDrops)
	return err
}

const tableHead = `| children | relay CPU us/child/s | in user | in kernel | memory/child | relay RSS | chunks heard | missing | duplicate | load tool us/child/s | lost by the load tool |
|---|---|---|---|---|---|---|---|---|---|---|
`
