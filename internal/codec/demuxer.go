// SPDX-License-Identifier: MIT

package codec

import "errors"

// ErrFormat is wrapped by every error of a Demuxer: the bytes are none that are carried, or damaged beyond use. The text
// says what they are and what to send instead.
var ErrFormat = errors.New("format not carried")

// A Demuxer finds out what a source sends and splits it into frames, byte for byte. The first item is a header; further
// ones follow when a new track or link begins. A Demuxer holds at most about twice FrameBytesMax between calls.
type Demuxer struct{}

// NewDemuxer returns a Demuxer that knows nothing yet.
func NewDemuxer() *Demuxer { return &Demuxer{} }

// Write takes the next bytes of the source, in pieces of any size. Call Next until it says false after every Write; items
// found before an error are there as well. After an error every Write returns it until Reset. p is the caller's again.
func (d *Demuxer) Write(p []byte) error { return nil }

// Flush says that the source has ended and releases the last frame. Call Next until it says false, then Reset or Reconnect.
func (d *Demuxer) Flush() error { return nil }

// Next returns the next item. Frame.Data is valid until the next call of another method; headers and events are the
// caller's to keep.
func (d *Demuxer) Next() (Item, bool) { return Item{}, false }

// Reconnect says that the source was cut off and what comes next is a new connection: perhaps the same encoder in
// mid-frame (or mid-page, without headers), perhaps something else. A header comes first again, Equal when the same stream
// goes on.
func (d *Demuxer) Reconnect() {}

// Reset forgets everything.
func (d *Demuxer) Reset() {}
