// SPDX-License-Identifier: MIT

package codec

import "fmt"

// block takes the frames out of a SimpleBlock or Block (RFC 9559 section 10.1): track number, 16-bit timestamp, flags,
// then one frame or several laced together.
func (w *webmParser) block(b []byte) error {
	number, n, v := readVint(b)
	if v != verdictYes || len(b) < n+3 {
		return fmt.Errorf("%w: damaged WebM block", ErrFormat)
	}
	if w.header.Format == FormatUnknown || number != w.number {
		return nil
	}
	if !w.out.hasHeader { // after a Reconnect
		w.out.header(w.header)
	}
	lacing, b := b[n+2]&6, b[n+3:]
	sizes, ok := []int{len(b)}, true
	switch lacing {
	case 2:
		sizes, b, ok = xiphSizes(b)
	case 4:
		sizes, b, ok = fixedSizes(b)
	case 6:
		sizes, b, ok = ebmlSizes(b)
	}
	if !ok {
		return fmt.Errorf("%w: damaged WebM lacing", ErrFormat)
	}
	for _, size := range sizes {
		if samples, ok := w.clock.timer.samples(b[:size]); ok {
			w.out.frame(b[:size:size], samples)
		}
		b = b[size:]
	}
	return nil
}

// xiphSizes reads the sizes of frames that follow each other in body: a count less one, then all but the last size as a
// sum of bytes up to one below 255.
func xiphSizes(b []byte) (sizes []int, body []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	count, b := int(b[0]), b[1:]
	total := 0
	for range count {
		size := 0
		for {
			if len(b) == 0 {
				return nil, nil, false
			}
			c := int(b[0])
			b = b[1:]
			if size += c; c < 255 {
				break
			}
		}
		total += size
		sizes = append(sizes, size)
	}
	return append(sizes, len(b)-total), b, total <= len(b)
}

// fixedSizes: a count less one, then frames of equal size.
func fixedSizes(b []byte) (sizes []int, body []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	count, b := int(b[0])+1, b[1:]
	for range count {
		sizes = append(sizes, len(b)/count)
	}
	return sizes, b, len(b)%count == 0
}

// ebmlSizes: a count less one, the first size, then differences; the last size is what is left.
func ebmlSizes(b []byte) (sizes []int, body []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	count, b := int(b[0]), b[1:]
	var size, total int64
	for i := range count {
		value, n, v := readVint(b)
		if v != verdictYes || value < 0 {
			return nil, nil, false
		}
		if i == 0 {
			size = value
		} else {
			size += value - (1<<(7*n-1) - 1)
		}
		b = b[n:]
		if total += size; size < 0 || total > webmBlockMax {
			return nil, nil, false
		}
		sizes = append(sizes, int(size))
	}
	return append(sizes, len(b)-int(total)), b, total <= int64(len(b))
}
