// SPDX-License-Identifier: MIT

package web

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"streamer/internal/link"
	"streamer/internal/node"
)

// metricsMIME is the Prometheus text format.
const metricsMIME = "text/plain; version=0.0.4; charset=utf-8"

// A metric is one family: docs/metrics.md lists them all.
type metric struct {
	name, kind, help string
	values           func(Snapshot) []sample
}

// A sample is one line: labels, as name and value in turn, and a value.
type sample struct {
	labels []string
	value  float64
}

const (
	counter = "counter"
	gauge   = "gauge"
)

// one is a family without labels.
func one(value func(Snapshot) float64) func(Snapshot) []sample {
	return func(s Snapshot) []sample { return []sample{{value: value(s)}} }
}

// count is a family without labels of an integer.
func count(value func(Snapshot) uint64) func(Snapshot) []sample {
	return one(func(s Snapshot) float64 { return float64(value(s)) })
}

// each is a family with one line for each station that the node carries.
func each(value func(node.StationStatus) float64) func(Snapshot) []sample {
	return func(s Snapshot) []sample {
		list := make([]sample, 0, len(s.Node.Tuned))
		for _, t := range s.Node.Tuned {
			list = append(list, sample{[]string{"station", t.ID.String(), "role", roleName(t.Role)}, value(t)})
		}
		return list
	}
}

// metrics is the list of families, in the order in which they are written.
func metrics() []metric {
	var all []metric
	for _, part := range [][]metric{
		nodeMetrics(), linkMetrics(), trafficMetrics(), socketMetrics(), streamMetrics(), stationMetrics(), playerMetrics(), pageMetrics(),
	} {
		all = append(all, part...)
	}
	return all
}

func nodeMetrics() []metric {
	return []metric{
		{"streamer_info", gauge, "1, with the version as a label.", func(s Snapshot) []sample {
			return []sample{{[]string{"version", s.Version}, 1}}
		}},
		{
			"streamer_uptime_seconds", gauge, "Time since the node was started.",
			one(func(s Snapshot) float64 { return s.Uptime.Seconds() }),
		},
		{"streamer_peers", gauge, "Links that are up.", one(func(s Snapshot) float64 { return float64(s.Node.Peers) })},
		{
			"streamer_stations_known", gauge, "Stations on the list.",
			one(func(s Snapshot) float64 { return float64(s.Node.Gossip.Stations) }),
		},
		{
			"streamer_network_size", gauge, "Estimate of how many hosts there are.",
			one(func(s Snapshot) float64 { return float64(s.Node.Gossip.Size) }),
		},
		{"streamer_hosts_known", gauge, "Hosts on the list.", one(func(s Snapshot) float64 { return float64(s.HostsKnown) })},
		{
			"streamer_hosts_answering", gauge, "Of the hosts known, those that answered of late.",
			one(func(s Snapshot) float64 { return float64(s.HostsAlive) }),
		},
		{
			"streamer_upload_used_bits_per_second", gauge, "Sent over the last seconds, as IP packets.",
			one(func(s Snapshot) float64 { return float64(s.Node.Upload.UsedBPS) }),
		},
		{
			"streamer_upload_budget_bits_per_second", gauge, "Cap on everything sent; no line when there is none.",
			func(s Snapshot) []sample {
				if s.Node.Upload.BudgetBPS == node.UploadAuto {
					return nil
				}
				return []sample{{value: float64(s.Node.Upload.BudgetBPS)}}
			},
		},
		{
			"streamer_upload_late_total", counter, "Audio datagrams that waited too long for upload and were not sent.",
			count(func(s Snapshot) uint64 { return s.Node.Counters.Late }),
		},
		{
			"streamer_hostile_peers_total", counter, "Peers expelled for what no honest node sends.",
			count(func(s Snapshot) uint64 { return s.Node.Counters.Hostile }),
		},
		{
			"streamer_unreadable_packets_total", counter, "Packets with a message that cannot be parsed.",
			count(func(s Snapshot) uint64 { return s.Node.Counters.Unreadable }),
		},
		{
			"streamer_unknown_station_packets_total", counter, "Packets about a station that is not carried here.",
			count(func(s Snapshot) uint64 { return s.Node.Counters.Unknown }),
		},
	}
}

func linkMetrics() []metric {
	of := func(value func(link.Counters) uint64) func(Snapshot) []sample {
		return count(func(s Snapshot) uint64 { return value(s.Node.Counters.Links) })
	}
	return []metric{
		{
			"streamer_datagrams_received_total", counter, "Datagrams that arrived.",
			of(func(c link.Counters) uint64 { return c.DatagramsIn }),
		},
		{
			"streamer_datagrams_sent_total", counter, "Datagrams that were sent.",
			of(func(c link.Counters) uint64 { return c.DatagramsOut }),
		},
		{
			"streamer_received_bytes_total", counter, "Bytes that arrived, as IP packets.",
			of(func(c link.Counters) uint64 { return c.BytesIn }),
		},
		{
			"streamer_sent_bytes_total", counter, "Bytes that were sent, as IP packets.",
			of(func(c link.Counters) uint64 { return c.BytesOut }),
		},
		{
			"streamer_dials_total", counter, "Handshakes that this node began.",
			of(func(c link.Counters) uint64 { return c.Dials }),
		},
		{
			"streamer_links_dialled_total", counter, "Links made that this node began.",
			of(func(c link.Counters) uint64 { return c.Dialled }),
		},
		{
			"streamer_links_accepted_total", counter, "Links made that peers began.",
			of(func(c link.Counters) uint64 { return c.Accepted }),
		},
		{
			"streamer_handshakes_resent_total", counter, "Handshake datagrams sent again.",
			of(func(c link.Counters) uint64 { return c.Resent }),
		},
		{"streamer_rekeys_total", counter, "New sending keys on links.", of(func(c link.Counters) uint64 { return c.Rekeys })},
		{
			"streamer_address_changes_total", counter, "Peers that proved a new address.",
			of(func(c link.Counters) uint64 { return c.Moves }),
		},
		{
			"streamer_address_changes_failed_total", counter, "New addresses of peers that proved nothing.",
			of(func(c link.Counters) uint64 { return c.MovesLost }),
		},
		{"streamer_asks_total", counter, "Questions asked without a link.", of(func(c link.Counters) uint64 { return c.Asks })},
		{
			"streamer_asks_answered_total", counter, "Of the questions asked, those that were answered.",
			of(func(c link.Counters) uint64 { return c.AsksAnswered }),
		},
		{
			"streamer_answers_total", counter, "Answers given to others' questions.",
			of(func(c link.Counters) uint64 { return c.Answers }),
		},
		{
			"streamer_datagrams_dropped_total", counter, "Datagrams and messages that were refused, by reason.",
			func(s Snapshot) []sample {
				var list []sample
				for reason, n := range s.Node.Counters.Links.Drops {
					list = append(list, sample{[]string{"reason", link.DropReason(reason).String()}, float64(n)})
				}
				return list
			},
		},
	}
}

func socketMetrics() []metric {
	of := func(value func(Socket) uint64) func(Snapshot) []sample {
		return count(func(s Snapshot) uint64 { return value(s.Socket) })
	}
	return []metric{
		{
			"streamer_socket_received_total", counter, "Datagrams read from the socket.",
			of(func(s Socket) uint64 { return s.Received }),
		},
		{
			"streamer_socket_oversized_total", counter, "Datagrams longer than any of ours, dropped.",
			of(func(s Socket) uint64 { return s.Oversized }),
		},
		{
			"streamer_socket_read_errors_total", counter, "Errors of the socket's reader.",
			of(func(s Socket) uint64 { return s.ReadErrors }),
		},
		{
			"streamer_socket_overrun_total", counter, "Datagrams dropped because the node was behind.",
			of(func(s Socket) uint64 { return s.Overrun }),
		},
		{
			"streamer_socket_sent_total", counter, "Datagrams that the system took.",
			of(func(s Socket) uint64 { return s.Sent }),
		},
		{
			"streamer_socket_segmented_total", counter, "Of the datagrams sent, those by segmentation offload.",
			of(func(s Socket) uint64 { return s.Segmented }),
		},
		{
			"streamer_socket_write_errors_total", counter, "Datagrams that the system refused.",
			of(func(s Socket) uint64 { return s.WriteErrors }),
		},
	}
}

// streamMetrics are of all stations together, those included that the node carries no more.
func streamMetrics() []metric {
	return []metric{
		{
			"streamer_chunks_total", counter, "Chunks of all stations: received, of them repaired; missing at their deadline; " +
				"duplicate; refused as polluted (wrong hash) or early (no manifest yet).",
			func(s Snapshot) []sample {
				c := s.Node.Counters.Stations
				return []sample{
					{[]string{"event", "received"}, float64(c.Received)},
					{[]string{"event", "repaired"}, float64(c.Repaired)},
					{[]string{"event", "missing"}, float64(c.Missing)},
					{[]string{"event", "duplicate"}, float64(c.Duplicate)},
					{[]string{"event", "polluted"}, float64(c.Polluted)},
					{[]string{"event", "early"}, float64(c.EarlyDropped)},
				}
			},
		},
		{
			"streamer_manifests_refused_total", counter, "Manifests that were refused: forged (wrong signature) or stale.",
			func(s Snapshot) []sample {
				c := s.Node.Counters.Stations
				return []sample{
					{[]string{"reason", "forged"}, float64(c.Forged)},
					{[]string{"reason", "stale"}, float64(c.Stale)},
				}
			},
		},
		{
			"streamer_repairs_total", counter, "Repair requests: sent, and of peers' requests those served and refused.",
			func(s Snapshot) []sample {
				c := s.Node.Counters.Stations
				return []sample{
					{[]string{"event", "sent"}, float64(c.NacksSent)},
					{[]string{"event", "served"}, float64(c.NacksServed)},
					{[]string{"event", "refused"}, float64(c.NacksRefused)},
				}
			},
		},
		{
			"streamer_audio_bytes_total", counter, "Bytes of verified chunks of all stations.",
			count(func(s Snapshot) uint64 { return s.Node.Counters.Stations.PayloadIn }),
		},
	}
}

func stationMetrics() []metric {
	return []metric{
		{
			"streamer_station_on_air", gauge, "1 while the station's manifests come.",
			each(func(t node.StationStatus) float64 {
				if t.OnAir && !t.Ended {
					return 1
				}
				return 0
			}),
		},
		{
			"streamer_station_hops", gauge, "Hops to the source; 0 at the source, -1 unknown.",
			each(func(t node.StationStatus) float64 { return float64(t.Hops) }),
		},
		{
			"streamer_station_buffer_seconds", gauge, "Audio without a hole ahead of the play clock.",
			each(func(t node.StationStatus) float64 { return t.Buffer.Seconds() }),
		},
		{
			"streamer_station_lag_seconds", gauge, "From the source to here; 0 unknown.",
			each(func(t node.StationStatus) float64 { return t.Lag.Seconds() }),
		},
		{
			"streamer_station_parents", gauge, "Peers that feed this node.",
			each(func(t node.StationStatus) float64 { return float64(len(t.Parents)) }),
		},
		{
			"streamer_station_children", gauge, "Peers that this node feeds.",
			each(func(t node.StationStatus) float64 { return float64(len(t.Children)) }),
		},
		{
			"streamer_station_chunks_missing_total", counter, "Chunks that passed their play deadline since tuning in.",
			each(func(t node.StationStatus) float64 { return float64(t.Chunks.Missing) }),
		},
		{
			"streamer_station_received_bytes_total", counter, "Bytes of the links that carry the station, in, as IP packets.",
			each(func(t node.StationStatus) float64 { return float64(t.Bytes.WireIn) }),
		},
		{
			"streamer_station_sent_bytes_total", counter, "Bytes of the links that carry the station, out, as IP packets.",
			each(func(t node.StationStatus) float64 { return float64(t.Bytes.WireOut) }),
		},
	}
}

func playerMetrics() []metric {
	return []metric{
		{
			"streamer_players", gauge, "Players that are being served.",
			one(func(s Snapshot) float64 { return float64(s.Players.Players) }),
		},
		{
			"streamer_players_served_total", counter, "Players that began.",
			count(func(s Snapshot) uint64 { return s.Players.Served }),
		},
		{
			"streamer_players_dropped_total", counter, "Players that were dropped because they did not keep up.",
			count(func(s Snapshot) uint64 { return s.Players.Slow }),
		},
		{
			"streamer_players_refused_total", counter, "Players refused because all places were taken.",
			count(func(s Snapshot) uint64 { return s.Players.Refused }),
		},
		{
			"streamer_players_bytes_total", counter, "Bytes given to players.",
			count(func(s Snapshot) uint64 { return s.Players.Bytes }),
		},
	}
}

func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	snap, ok := s.snapshot(w, r)
	if !ok {
		return
	}
	for i := range s.no {
		snap.Refused[i] = s.no[i].Load()
	}
	var b bytes.Buffer
	for _, m := range metrics() {
		m.append(&b, snap)
	}
	fmt.Fprintf(&b, "# HELP streamer_scrape_seconds Time that this answer took.\n# TYPE streamer_scrape_seconds gauge\n"+
		"streamer_scrape_seconds %s\n", number(time.Since(began).Seconds()))
	w.Header().Set("Content-Type", metricsMIME)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // whoever asked has gone: nothing to do
}

// append writes a family in the text format of Prometheus, version 0.0.4.
func (m metric) append(b *bytes.Buffer, s Snapshot) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	for _, v := range m.values(s) {
		b.WriteString(m.name)
		for i := 0; i+1 < len(v.labels); i += 2 {
			b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
			fmt.Fprintf(b, `%s="%s"`, v.labels[i], escape.Replace(v.labels[i+1]))
		}
		if len(v.labels) > 0 {
			b.WriteByte('}')
		}
		b.WriteString(" " + number(v.value) + "\n")
	}
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
