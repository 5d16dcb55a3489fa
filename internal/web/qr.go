// SPDX-License-Identifier: MIT

package web

import (
	"fmt"
	"net/http"
	"strings"

	"rsc.io/qr"

	"streamer/internal/identity"
)

// quietZone is the white around a QR code, in modules, that readers need (ISO/IEC 18004).
const quietZone = 4

// serveQR draws a station's link.
func (s *Server) serveQR(w http.ResponseWriter, r *http.Request) {
	id, ok := stationID(w, r)
	if !ok {
		return
	}
	snap, ok := s.snapshot(w, r)
	if !ok {
		return
	}
	st, ok := findStation(w, snap, id)
	if !ok {
		return
	}
	code, err := qr.Encode(st.Link, qr.L)
	if err != nil { // with all hints it is too long: the id is enough
		code, err = qr.Encode(identity.Link{Station: id}.String(), qr.L)
	}
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write([]byte(drawQR(code))) // whoever asked has gone: nothing to do
}

// drawQR draws dark modules as runs in rows, on white whatever the page's colours are: many readers take no others.
func drawQR(code *qr.Code) string {
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quietZone, y+quietZone, x-from, x-from)
			}
		}
	}
	size := code.Size + 2*quietZone
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%dv%dH0z"/><path d="%s"/></svg>`+"\n", size, size, size, size, path.String())
}
