// SPDX-License-Identifier: MIT

package codec

import (
	"errors"
	"fmt"
)

// ErrEvent is wrapped by every error of ParseEvent.
var ErrEvent = errors.New("bad event")

// eventFields is how many texts an Event has. On the wire field i has the tag i+1.
const eventFields = 7

// fields lists the texts in the order of their tags, which is part of the protocol.
func (e *Event) fields() [eventFields]*string {
	return [eventFields]*string{&e.Title, &e.Artist, &e.Album, &e.StationName, &e.Genre, &e.Description, &e.URL}
}

// Clean returns e with every text made fit for the protocol: valid UTF-8 without control characters, trimmed, at most
// EventTextMax bytes, all together at most ChunkBytesMax on the wire (the longest are cut). Bytes that are not UTF-8 are
// taken as Windows-1252.
func (e Event) Clean() Event {
	fields := e.fields()
	for _, f := range fields {
		*f = cleanText(*f, EventTextMax)
	}
	for limit := EventTextMax - 1; eventBytes(fields) > ChunkBytesMax; limit-- {
		for _, f := range fields {
			*f = cleanText(*f, limit)
		}
	}
	return e
}

func eventBytes(fields [eventFields]*string) int {
	n := 0
	for _, f := range fields {
		if *f != "" {
			n += 2 + len(*f)
		}
	}
	return n
}

// AppendEvent appends the binary form of e.Clean(), at most ChunkBytesMax bytes (docs/protocol/chunks.md section 4). The
// form of an event without any text is one zero byte.
func AppendEvent(dst []byte, e Event) []byte {
	e = e.Clean()
	start := len(dst)
	for i, f := range e.fields() {
		if *f != "" {
			dst = append(dst, byte(i+1), byte(len(*f)))
			dst = append(dst, *f...)
		}
	}
	if len(dst) == start {
		dst = append(dst, 0)
	}
	return dst
}

// ParseEvent parses the binary form of an event. Fields with unknown tags are skipped; unclean or repeated texts are
// refused.
func ParseEvent(b []byte) (Event, error) {
	var e Event
	if len(b) == 0 || len(b) > ChunkBytesMax {
		return Event{}, fmt.Errorf("%w: %d bytes", ErrEvent, len(b))
	}
	if len(b) == 1 && b[0] == 0 {
		return e, nil
	}
	fields := e.fields()
	for len(b) > 0 {
		if len(b) < 2 || len(b)-2 < int(b[1]) {
			return Event{}, fmt.Errorf("%w: cut short", ErrEvent)
		}
		tag, text := int(b[0]), string(b[2:2+int(b[1])])
		b = b[2+len(text):]
		switch {
		case tag == 0 || text == "":
			return Event{}, fmt.Errorf("%w: empty field", ErrEvent)
		case tag > eventFields:
			continue
		case *fields[tag-1] != "":
			return Event{}, fmt.Errorf("%w: field %d twice", ErrEvent, tag)
		case cleanText(text, EventTextMax) != text:
			return Event{}, fmt.Errorf("%w: field %d is no clean text", ErrEvent, tag)
		}
		*fields[tag-1] = text
	}
	return e, nil
}
