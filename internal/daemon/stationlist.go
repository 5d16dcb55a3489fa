// SPDX-License-Identifier: MIT

package daemon

import (
	"cmp"
	"slices"
	"time"

	"streamer/internal/codec"
	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/web"
)

// mergeStations makes the list that people see of the stations that this node carries and of those that gossip knows. What
// is carried is known best; listeners are counted by gossip. On the air first, by listeners; then by when last alive.
func mergeStations(carried []web.Station, listed []gossip.StationInfo, now time.Time) []web.Station {
	list := make([]web.Station, 0, len(carried)+len(listed))
	for _, info := range listed {
		about := listedStation(&info, now)
		i := slices.IndexFunc(carried, func(s web.Station) bool { return s.ID == about.ID })
		if i >= 0 {
			about = mergeStation(carried[i], about)
			carried = slices.Delete(carried, i, i+1)
		}
		list = append(list, about)
	}
	list = append(list, carried...)
	slices.SortStableFunc(list, func(a, b web.Station) int {
		switch {
		case a.Online != b.Online && a.Online:
			return -1
		case a.Online != b.Online:
			return 1
		case a.Online:
			return cmp.Compare(b.Listeners, a.Listeners)
		}
		return compareAlive(a.LastAlive, b.LastAlive)
	})
	return list
}

// compareAlive orders by when stations were last alive, never at the end.
func compareAlive(a, b time.Duration) int {
	if (a < 0) != (b < 0) {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

// listedStation is a station as its record says.
func listedStation(info *gossip.StationInfo, now time.Time) web.Station {
	r := &info.Record
	s := web.Station{
		ID: r.Station, Name: r.Name, Genre: r.Genre, Description: r.Description, URL: r.URL, Title: r.Title,
		Codec: formatCodec(codec.Format(r.Codec)), BitrateBPS: int64(r.KBPS) * 1000,
		Listeners: info.Heard, Audience: info.Audience, Online: info.Online,
		LastAlive: max(0, now.Sub(time.Unix(info.LastAlive, 0))),
	}
	link := identity.Link{Station: r.Station, Name: clipName(r.Name)}
	for _, e := range r.Entries {
		link.Peers = append(link.Peers, e.String())
	}
	s.Link = link.String()
	return s
}

// mergeStation is a station that is carried, with what gossip knows beside it.
func mergeStation(carried, listed web.Station) web.Station {
	s := carried
	s.Name, s.Genre = cmp.Or(s.Name, listed.Name), cmp.Or(s.Genre, listed.Genre)
	s.Description, s.URL = cmp.Or(s.Description, listed.Description), cmp.Or(s.URL, listed.URL)
	s.Codec, s.Title = cmp.Or(s.Codec, listed.Codec), cmp.Or(s.Title, listed.Title)
	s.BitrateBPS = cmp.Or(s.BitrateBPS, listed.BitrateBPS)
	s.Listeners, s.Audience = max(s.Listeners, listed.Listeners), max(s.Listeners, listed.Audience)
	s.Online = s.Online || listed.Online
	if s.LastAlive < 0 || listed.LastAlive < s.LastAlive {
		s.LastAlive = listed.LastAlive
	}
	if len(listed.Link) > len(s.Link) {
		s.Link = listed.Link
	}
	return s
}

// formatCodec is the codec of a format, in the words of the API; what is in a WebM is only known to those who play it.
func formatCodec(f codec.Format) string {
	switch f {
	case codec.FormatMPEG:
		return "mp3"
	case codec.FormatAAC:
		return "aac"
	case codec.FormatOggVorbis:
		return "vorbis"
	case codec.FormatOggOpus:
		return "opus"
	case codec.FormatOggFLAC, codec.FormatFLAC:
		return "flac"
	case codec.FormatWebM:
		return "webm"
	case codec.FormatUnknown:
	}
	return ""
}
