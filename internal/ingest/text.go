// SPDX-License-Identifier: MIT

package ingest

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"

	"streamer/internal/codec"
)

// decodeText makes one clean line of UTF-8 of bytes that should be text: at most codec.EventTextMax bytes, no control
// characters.
func decodeText(raw, charset string) string {
	return codec.Event{Title: toUTF8(raw[:min(len(raw), headBytesMax)], charset)}.Clean().Title
}

// toUTF8 takes what is valid UTF-8 as such, whatever the sender claims (butt says ISO-8859-1 and sends UTF-8); else the
// named charset counts, else Windows-1252, which any bytes are.
func toUTF8(raw, charset string) string {
	if utf8.ValidString(raw) {
		return raw
	}
	if enc, err := htmlindex.Get(charset); err == nil {
		if text, err := enc.NewDecoder().String(raw); err == nil && !strings.ContainsRune(text, utf8.RuneError) {
			return text
		}
	}
	text, err := charmap.Windows1252.NewDecoder().String(raw)
	if err != nil {
		return strings.ToValidUTF8(raw, "\uFFFD")
	}
	return text
}

// splitTitle makes artist and title of "Artist - Title"; a text without " - " is the title.
func splitTitle(text string) codec.Event {
	if artist, title, ok := strings.Cut(text, " - "); ok && strings.TrimSpace(artist) != "" && strings.TrimSpace(title) != "" {
		return codec.Event{Artist: artist, Title: title}.Clean()
	}
	return codec.Event{Title: text}.Clean()
}

// fileTitle makes artist and title of a file's name: "03 - Artist - Title.mp3", "Artist_-_Title.ogg", "Title.flac".
func fileTitle(name string) codec.Event {
	name = toUTF8(name, "")
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	if !strings.Contains(name, " ") {
		name = strings.ReplaceAll(name, "_", " ")
	}
	return splitTitle(cutTrackNumber(name))
}

// cutTrackNumber removes "03 - ", "03. " and "03-" in front, but not the 99 of "99 Luftballons".
func cutTrackNumber(name string) string {
	rest := strings.TrimLeft(name, "0123456789")
	if digits := len(name) - len(rest); digits == 0 || digits > 3 {
		return name
	}
	trimmed := strings.TrimLeft(rest, " ")
	if trimmed == "" || !strings.ContainsRune("-.", rune(trimmed[0])) {
		return name
	}
	if trimmed = strings.TrimLeft(trimmed, " -."); trimmed == "" {
		return name
	}
	return trimmed
}
