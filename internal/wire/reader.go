// SPDX-License-Identifier: MIT

package wire

import "encoding/binary"

// A Reader takes big-endian fields from the front of a byte slice. Once too few bytes are left it stays failed: every
// later call returns zero, and Err says ErrTruncated. It is used by value or on the stack and allocates nothing.
type Reader struct {
	b   []byte
	err error
}

// NewReader reads b, which the Reader neither copies nor alters.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Err returns nil or ErrTruncated.
func (r *Reader) Err() error { return r.err }

// Len returns how many bytes are left.
func (r *Reader) Len() int { return len(r.b) }

// Rest returns what is left, nil after a failure.
func (r *Reader) Rest() []byte { return r.b }

// Bytes returns the next n bytes without copying them: nil when there are fewer, or when n is negative.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.err = nil, ErrTruncated
		return nil
	}
	field := r.b[:n:n]
	r.b = r.b[n:]
	return field
}

// Copy fills dst with the next len(dst) bytes, or leaves it alone when there are fewer.
func (r *Reader) Copy(dst []byte) { copy(dst, r.Bytes(len(dst))) }

// U8 reads one byte.
func (r *Reader) U8() uint8 {
	if field := r.Bytes(1); field != nil {
		return field[0]
	}
	return 0
}

// U16 reads two bytes.
func (r *Reader) U16() uint16 {
	if field := r.Bytes(2); field != nil {
		return binary.BigEndian.Uint16(field)
	}
	return 0
}

// U32 reads four bytes.
func (r *Reader) U32() uint32 {
	if field := r.Bytes(4); field != nil {
		return binary.BigEndian.Uint32(field)
	}
	return 0
}

// U40 reads five bytes.
func (r *Reader) U40() uint64 {
	if field := r.Bytes(5); field != nil {
		return uint64(field[0])<<32 | uint64(binary.BigEndian.Uint32(field[1:]))
	}
	return 0
}

// U48 reads six bytes.
func (r *Reader) U48() uint64 {
	if field := r.Bytes(6); field != nil {
		return uint64(binary.BigEndian.Uint16(field))<<32 | uint64(binary.BigEndian.Uint32(field[2:]))
	}
	return 0
}

// U64 reads eight bytes.
func (r *Reader) U64() uint64 {
	if field := r.Bytes(8); field != nil {
		return binary.BigEndian.Uint64(field)
	}
	return 0
}

// AppendU16 appends v in two bytes.
func AppendU16(dst []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(dst, v) }

// AppendU32 appends v in four bytes.
func AppendU32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }

// AppendU40 appends the low 40 bits of v in five bytes.
func AppendU40(dst []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(v>>32)), uint32(v))
}

// AppendU48 appends the low 48 bits of v in six bytes.
func AppendU48(dst []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(dst, uint16(v>>32)), uint32(v))
}

// AppendU64 appends v in eight bytes.
func AppendU64(dst []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(dst, v) }
