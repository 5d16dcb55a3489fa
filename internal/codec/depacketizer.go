// SPDX-License-Identifier: MIT

package codec

// A Depacketizer turns chunks, in order, back into items. It begins anywhere: at the first whole frame after a header.
// Chunks come from the network and may be hostile: a malformed one costs a count and the frames it touches.
type Depacketizer struct{}

// NewDepacketizer returns a Depacketizer that waits for an epoch's header chunks.
func NewDepacketizer() *Depacketizer { return &Depacketizer{} }

// Write takes the next chunk. Call Next until it says false after it. c.Data is kept by reference.
func (d *Depacketizer) Write(c Chunk) {}

// Gap says that chunks are missing here. The frame cut by it is dropped and an ItemGap comes before the next whole frame.
func (d *Depacketizer) Gap() {}

// Next returns the next item. All of it may be kept, none of it may be altered.
func (d *Depacketizer) Next() (Item, bool) { return Item{}, false }

// Reset forgets everything: a new epoch's header chunks follow.
func (d *Depacketizer) Reset() {}

// Malformed returns how many chunks were dropped because they made no sense.
func (d *Depacketizer) Malformed() uint64 { return 0 }
