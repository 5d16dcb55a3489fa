// SPDX-License-Identifier: MIT

package ingest

import (
	"strconv"
	"strings"

	"streamer/internal/codec"
)

// stationInfo takes the station's fields from the header lines of a source (ice-* and icy-*, and x-audiocast-* of Icecast 1)
// or of the answer of a stream's server.
func stationInfo(fields map[string]string) codec.Event {
	get := func(name string) string {
		for _, prefix := range [...]string{"ice-", "icy-", "x-audiocast-"} {
			if v := fields[prefix+name]; v != "" {
				return decodeText(v, "")
			}
		}
		return ""
	}
	return codec.Event{
		StationName: get("name"),
		Genre:       get("genre"),
		Description: get("description"),
		URL:         get("url"),
	}
}

// bitrateMax bounds what a source may claim, in bit/s (24-bit stereo PCM at 192 kHz is 9.2 Mbit/s).
const bitrateMax = 10_000_000

// claimedBitrate is the bit rate that the header lines name, in bit/s; 0 when they name none. Tools mean kbit/s.
func claimedBitrate(fields map[string]string) int {
	candidates := []string{fields["ice-bitrate"], fields["icy-br"], fields["x-audiocast-bitrate"]}
	// butt: "ice-bitrate=128;ice-channels=2;ice-samplerate=44100", libshout: "bitrate=128"
	for pair := range strings.SplitSeq(fields["ice-audio-info"], ";") {
		name, value, _ := strings.Cut(pair, "=")
		if name = strings.TrimSpace(name); name == "ice-bitrate" || name == "bitrate" {
			candidates = append(candidates, value)
		}
	}
	for _, text := range candidates {
		text, _, _ = strings.Cut(text, ",") // some servers repeat it
		if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && n > 0 && n <= bitrateMax/1000 {
			return n * 1000
		}
	}
	return 0
}

// mergeInfo fills the empty station fields of own with those of other: the broadcaster's own words win.
func mergeInfo(own, other codec.Event) codec.Event {
	pick := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	return codec.Event{
		StationName: pick(own.StationName, other.StationName),
		Genre:       pick(own.Genre, other.Genre),
		Description: pick(own.Description, other.Description),
		URL:         pick(own.URL, other.URL),
	}
}
