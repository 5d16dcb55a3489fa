// SPDX-License-Identifier: MIT

package codec

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// cleanText makes a text fit for an Event of at most max bytes: what is not UTF-8 is taken as Windows-1252, control
// characters and line ends become spaces, both ends are trimmed, and the end is cut between two characters.
func cleanText(s string, limit int) string {
	if !utf8.ValidString(s) {
		if whole := trimCutRune(s); utf8.ValidString(whole) && !isASCII(whole) {
			s = whole
		} else {
			s = fromWindows1252(s)
		}
	}
	if strings.ContainsFunc(s, isUnclean) {
		s = strings.Map(func(r rune) rune {
			if isUnclean(r) {
				return ' '
			}
			return r
		}, s)
	}
	return strings.TrimSpace(cutText(strings.TrimSpace(s), limit))
}

// cutText cuts s to at most limit bytes between two characters.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func isUnclean(r rune) bool {
	const lineSeparator, paragraphSeparator, byteOrderMark = '\u2028', '\u2029', '\ufeff'
	return unicode.IsControl(r) || r == lineSeparator || r == paragraphSeparator || r == byteOrderMark
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// trimCutRune drops a character at the end that lacks its last bytes: some tools cut texts at a byte count.
func trimCutRune(s string) string {
	for n := 1; n < utf8.UTFMax && n <= len(s); n++ {
		if c := s[len(s)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRuneInString(s[len(s)-n:]) {
				return s[:len(s)-n]
			}
			return s
		}
	}
	return s
}

// fromWindows1252 decodes the superset of ISO 8859-1 that people mean by it.
func fromWindows1252(s string) string {
	// 0x80 to 0x9f; the five unused bytes stay control characters, as the WHATWG Encoding Standard has it.
	const high = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"
	table := []rune(high)
	var b strings.Builder
	for i := range len(s) {
		r := rune(s[i])
		if r >= 0x80 && r < 0xa0 {
			r = table[r-0x80]
		}
		b.WriteRune(r)
	}
	return b.String()
}

// fromUTF16 decodes UTF-16; a byte order mark at the start overrides bigEndian.
func fromUTF16(b []byte, bigEndian bool) string {
	units := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		u := uint16(b[i]) | uint16(b[i+1])<<8
		if i == 0 && (u == 0xfeff || u == 0xfffe) {
			bigEndian = u == 0xfffe
			continue
		}
		if bigEndian {
			u = u<<8 | u>>8
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}
