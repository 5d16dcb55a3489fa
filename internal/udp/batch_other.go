// SPDX-License-Identifier: MIT

//go:build !linux

package udp

import (
	"net/netip"
	"syscall"
)

func segmentsSupported(syscall.RawConn) bool { return false }

func forceBuffers(syscall.RawConn, int) bool { return false }

func forbidBroadcast(syscall.RawConn) {}

type reader struct {
	conn *Conn
	buf  [DatagramBytesMax + 1]byte
}

func newReader(c *Conn) *reader { return &reader{conn: c} }

func (r *reader) batches() bool { return false }

func (r *reader) read(handle func(from netip.AddrPort, b []byte)) (int, error) {
	return r.conn.readPlain(r.buf[:], handle)
}

// A Writer sends batches of datagrams; it belongs to one goroutine.
type Writer struct{ conn *Conn }

// NewWriter returns a Writer on c.
func (c *Conn) NewWriter() *Writer { return &Writer{conn: c} }

// WriteBatch sends the messages in order and returns how many the system took, and the first error. A message that is
// refused does not stop those after it.
func (w *Writer) WriteBatch(msgs []Message) (n int, err error) {
	if routes := w.conn.diverted(); len(routes) > 0 {
		return w.conn.divert(msgs, routes, w.conn.writePlainAll)
	}
	return w.conn.writePlainAll(msgs)
}
