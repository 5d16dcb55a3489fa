// SPDX-License-Identifier: MIT

package web

import (
	"streamer/internal/link"
	"streamer/internal/wire"
)

// trafficMetrics say what the bytes on the wire were for.
func trafficMetrics() []metric {
	each := func(value func(link.Tally) uint64) func(Snapshot) []sample {
		return func(s Snapshot) []sample {
			c := &s.Node.Counters.Links
			list := make([]sample, 0, 2*wire.Kinds)
			for k := range wire.Kinds {
				kind := wire.Kind(k).String()
				list = append(list, sample{[]string{"direction", "received", "kind", kind}, float64(value(c.In[k]))},
					sample{[]string{"direction", "sent", "kind", kind}, float64(value(c.Out[k]))})
			}
			return list
		}
	}
	return []metric{
		{
			"streamer_traffic_messages_total", counter, "Messages by kind, and datagrams that are no messages of links.",
			each(func(t link.Tally) uint64 { return t.Messages }),
		},
		{
			"streamer_traffic_bytes_total", counter, "Their bytes. Headers of a datagram, those of IP and UDP too, count for its first " +
				"message: the sums are all bytes received and sent.",
			each(func(t link.Tally) uint64 { return t.Bytes }),
		},
	}
}
