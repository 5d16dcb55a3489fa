// SPDX-License-Identifier: MIT

package web

// pageMetrics say who was refused, and what the page shows of what was given.
func pageMetrics() []metric {
	return []metric{
		{
			"streamer_requests_refused_total", counter, "Requests that got no answer, by what was wrong: the name of the node (host), another " +
				"site (site), the password, the token.",
			func(s Snapshot) []sample {
				list := make([]sample, 0, len(refusals))
				for i, why := range refusals {
					list = append(list, sample{[]string{"reason", why}, float64(s.Refused[i])})
				}
				return list
			},
		},
		{
			"streamer_given_bytes_total", counter, "Audio and its signatures sent to others since the data directory was made.",
			count(func(s Snapshot) uint64 { return s.Given.Total }),
		},
	}
}
