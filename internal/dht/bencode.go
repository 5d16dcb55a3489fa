// SPDX-License-Identifier: MIT

package dht

// A scanner steps over bencoded values (BEP 3). Its methods report whether there was one, within the limits of an answer.
type scanner struct{ rest []byte }

// take steps over one byte, if that is next.
func (s *scanner) take(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// digits steps over n digits, of which it returns the value unless they are too many.
func (s *scanner) digits() (n, value int) {
	for ; n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9'; n++ {
		if n < integerCharsMax && value <= answerBytesMax {
			value = value*10 + int(s.rest[n]-'0')
		}
	}
	s.rest = s.rest[n:]
	return n, value
}

// text steps over a string: "4:spam".
func (s *scanner) text() ([]byte, bool) {
	if n, length := s.digits(); n > 0 && s.take(':') && length <= len(s.rest) {
		text := s.rest[:length]
		s.rest = s.rest[length:]
		return text, true
	}
	return nil, false
}

// list steps over a list that lies in depth others: "l4:spami7ee". element steps over one.
func (s *scanner) list(depth int, element func() bool) bool {
	if depth >= answerDepthMax || !s.take('l') {
		return false
	}
	for !s.take('e') {
		if !element() {
			return false
		}
	}
	return true
}

// dictionary steps over a dictionary that lies in depth others: "d4:spami7ee". element steps over the value of key.
func (s *scanner) dictionary(depth int, element func(key string) bool) bool {
	if depth >= answerDepthMax || !s.take('d') {
		return false
	}
	for !s.take('e') {
		if key, ok := s.text(); !ok || !element(string(key)) {
			return false
		}
	}
	return true
}

// value steps over any value that lies in depth others.
func (s *scanner) value(depth int) bool {
	if len(s.rest) == 0 {
		return false
	}
	switch s.rest[0] {
	case 'i': // "i-3e"
		s.rest = s.rest[1:]
		s.take('-')
		n, _ := s.digits()
		return n > 0 && n < integerCharsMax && s.take('e')
	case 'l':
		return s.list(depth, func() bool { return s.value(depth + 1) })
	case 'd':
		return s.dictionary(depth, func(string) bool { return s.value(depth + 1) })
	default:
		_, ok := s.text()
		return ok
	}
}
