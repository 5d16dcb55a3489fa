// SPDX-License-Identifier: MIT

package wire

import "encoding/binary"

// A reader takes big-endian fields from the front of a byte slice. Once too few bytes are left it stays failed: every later
// call gives zero, and err is ErrTruncated. It lives on the stack and allocates nothing.
type reader struct {
	b   []byte
	err error
}

// take returns the next n bytes without copying them, nil when there are fewer.
func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.err = nil, ErrTruncated
		return nil
	}
	field := r.b[:n]
	r.b = r.b[n:]
	return field
}

// copy fills dst with the next len(dst) bytes, or leaves it alone when there are fewer.
func (r *reader) copy(dst []byte) { copy(dst, r.take(len(dst))) }

func (r *reader) u8() uint8 {
	if field := r.take(1); field != nil {
		return field[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	if field := r.take(4); field != nil {
		return binary.BigEndian.Uint32(field)
	}
	return 0
}

func appendU32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }
