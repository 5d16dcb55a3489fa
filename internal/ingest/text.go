// SPDX-License-Identifier: MIT

package ingest

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"streamer/internal/codec"
)

// decodeText makes one clean line of UTF-8 of bytes that should be text, as codec.Event.Clean does: at most
// codec.EventTextMax bytes, no control characters. What is valid UTF-8 is taken as such, whatever the tool claims (butt says
// ISO-8859-1 and sends UTF-8); else the named charset counts, else Windows-1252, which any bytes are.
func decodeText(raw, charset string) string {
	if len(raw) > headBytesMax {
		raw = raw[:headBytesMax]
	}
	if charset != "" && !utf8.ValidString(raw) {
		if enc, err := htmlindex.Get(charset); err == nil {
			if text, err := enc.NewDecoder().String(raw); err == nil && !strings.ContainsRune(text, utf8.RuneError) {
				raw = text
			}
		}
	}
	return codec.Event{Title: raw}.Clean().Title
}
