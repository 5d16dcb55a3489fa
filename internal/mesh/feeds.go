// SPDX-License-Identifier: MIT

package mesh

import "streamer/internal/wire"

// AppendParents appends who feeds the station, as Status has them, and returns how far from the source it is; -1 unknown.
func (s *Station) AppendParents(dst []Neighbour) (parents []Neighbour, hops int) {
	for _, p := range s.peers {
		if p.isParent() {
			dst = append(dst, Neighbour{p.id, p.parent.classes})
		}
	}
	if h := s.place.hops(); h != wire.HopsUnknown {
		return dst, int(h)
	}
	return dst, -1
}
