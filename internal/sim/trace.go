// SPDX-License-Identifier: MIT

package sim

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/fnv"
	"io"
	"net/netip"

	"streamer/internal/mono"
	"streamer/internal/node"
)

// A trace is the record of a run: a running SHA-256 of every call and everything that came out (of bytes, their length and CRC-32C),
// and, when somebody wants to read it, a JSON line for each. Equal runs have equal traces, byte for byte.
type trace struct {
	sum   hash.Hash
	buf   []byte
	lines *bufio.Writer // nil: only the sum
}

// The kinds of record.
const (
	traceDatagram = iota + 1
	traceCommand
	traceDeadline
	traceOutput
	traceSent
	traceNotice
)

func newTrace(lines io.Writer) *trace {
	t := &trace{sum: sha256.New()}
	if lines != nil {
		t.lines = bufio.NewWriterSize(lines, 1<<16)
	}
	return t
}

// digest returns the sum in hexadecimal digits.
func (t *trace) digest() string { return hex.EncodeToString(t.sum.Sum(nil)) }

func (t *trace) flush() error {
	if t.lines == nil {
		return nil
	}
	return t.lines.Flush()
}

func (t *trace) begin(kind byte, now mono.Time, host int32) {
	t.buf = append(t.buf[:0], kind)
	t.buf = binary.BigEndian.AppendUint64(t.buf, uint64(now))
	t.buf = binary.BigEndian.AppendUint32(t.buf, uint32(host))
}

func (t *trace) addr(a netip.AddrPort) {
	ip := a.Addr().As16()
	t.buf = append(t.buf, ip[:]...)
	t.buf = binary.BigEndian.AppendUint16(t.buf, a.Port())
}

func (t *trace) end(data []byte) {
	t.buf = binary.BigEndian.AppendUint32(t.buf, uint32(len(data)))
	t.buf = binary.BigEndian.AppendUint32(t.buf, crc32.Checksum(data, castagnoli))
	t.sum.Write(t.buf)
}

// castagnoli is the polynomial that processors compute.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// datagram records a HandleDatagram. Its bytes are in the sum since they were sent.
func (t *trace) datagram(now mono.Time, host int32, p *packet) {
	t.begin(traceDatagram, now, host)
	t.addr(p.from)
	t.end(nil)
	if t.lines != nil {
		t.line(now, host, `"call":"datagram","from":"%v","bytes":%d,"hash":"%08x"`, p.from, len(p.data), shortHash(p.data))
	}
}

func (t *trace) deadline(now mono.Time, host int32) {
	t.begin(traceDeadline, now, host)
	t.end(nil)
	if t.lines != nil {
		t.line(now, host, `"call":"deadline"`)
	}
}

// command records a HandleCommand. Keys stay out: their seed is in the run's.
func (t *trace) command(now mono.Time, host int32, c node.Command) {
	var name, data []byte
	switch c := c.(type) {
	case node.PublishCommand:
		name, data = fmt.Appendf(nil, "publish %d %d %d", c.Kind, c.Start, c.Duration), c.Data
	case node.TuneCommand:
		name = fmt.Appendf(nil, "tune %d %v", c.Role, c.Peers)
	case node.BeginCommand:
		name = fmt.Appendf(nil, "begin %d %d", c.Epoch, c.BitrateBPS)
	case node.WallClockCommand:
		name = fmt.Appendf(nil, "clock %d", c.UnixMilli)
	default:
		name = fmt.Appendf(nil, "%T", c)
	}
	t.begin(traceCommand, now, host)
	t.buf = append(t.buf, name...)
	t.end(data)
	if t.lines != nil {
		t.line(now, host, `"call":"command","command":%q,"bytes":%d,"hash":"%08x"`, name, len(data), shortHash(data))
	}
}

// output records how much a call put out; the records of what is sent and noticed follow.
func (t *trace) output(out *node.Output) {
	t.buf = append(t.buf[:0], traceOutput)
	for _, n := range [...]int{len(out.Datagrams), len(out.Asides), len(out.Fanouts), len(out.Notices)} {
		t.buf = binary.BigEndian.AppendUint32(t.buf, uint32(n))
	}
	t.end(nil)
}

func (t *trace) sent(now mono.Time, host int32, to netip.AddrPort, data []byte) {
	t.begin(traceSent, now, host)
	t.addr(to)
	t.end(data)
	if t.lines != nil {
		t.line(now, host, `"send":"%v","bytes":%d,"hash":"%08x"`, to, len(data), shortHash(data))
	}
}

func (t *trace) notice(now mono.Time, host int32, n *node.Notice) {
	t.begin(traceNotice, now, host)
	t.buf = append(t.buf, byte(n.Kind), n.Chunk)
	for _, v := range [...]uint32{n.Epoch, n.Seq, n.Count} {
		t.buf = binary.BigEndian.AppendUint32(t.buf, v)
	}
	t.buf = binary.BigEndian.AppendUint64(t.buf, uint64(n.Start))
	t.buf = binary.BigEndian.AppendUint64(t.buf, uint64(n.Duration))
	t.end(n.Data)
	if t.lines != nil {
		t.line(now, host, `"notice":%d,"epoch":%d,"seq":%d,"count":%d,"bytes":%d,"hash":"%08x"`,
			n.Kind, n.Epoch, n.Seq, n.Count, len(n.Data), shortHash(n.Data))
	}
}

// line writes one JSON line. A writer that fails is found out by flush.
func (t *trace) line(now mono.Time, host int32, format string, args ...any) {
	fmt.Fprintf(t.lines, `{"t":%d.%09d,"node":%d,`, now/1e9, now%1e9, host)
	fmt.Fprintf(t.lines, format, args...)
	t.lines.WriteString("}\n")
}

func shortHash(data []byte) uint32 {
	h := fnv.New32a()
	h.Write(data)
	return h.Sum32()
}
