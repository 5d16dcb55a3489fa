// SPDX-License-Identifier: MIT

package daemon

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/wire"
)

// A record is a run of one node, for Replay: a magic line, the Seeds and the Config, then one entry for each call. It holds
// every secret of the run.
//
//	record  = magic, 3 x 32 bytes of Seeds, upload (varint), now of New (uvarint), entry...
//	entry   = length (uvarint) of the rest, kind (byte), now - now of the entry before (uvarint), arguments, sum (8 bytes)
//	sum     = the first bytes of SHA-256 over the sum before and all that came out of the call
const (
	recordMagic   = "streamer record 1\n"
	recordSum     = 8
	entryBytesMax = 8 << 10
)

// Kinds of entry.
const (
	entryDatagram byte = iota + 1
	entryDeadline
	entryTune
	entryUntune
	entryBegin
	entryPublish
	entryEnd
	entryWallClock
	entryUpload
	entryLeave
	entryDescribe
	entryMeet
	entryAddPeers
	entryLocal
	entryMapped
	entryAside
	entryLearnedUpload
	entryMeasureUpload
)

// Seeds are all randomness that a node gets: equal seeds and equal calls give equal output. They are SECRET.
type Seeds struct{ Node, Rand, Secrets [32]byte }

// NewSeeds draws seeds from r.
func NewSeeds(r io.Reader) (s Seeds, err error) {
	for _, seed := range []*[32]byte{&s.Node, &s.Rand, &s.Secrets} {
		if _, err := io.ReadFull(r, seed[:]); err != nil {
			return Seeds{}, fmt.Errorf("draw the node's seeds: %w", err)
		}
	}
	return s, nil
}

// Config makes the node's configuration from the seeds. ChaCha8 is a cryptographically strong generator.
func (s Seeds) Config(uploadBPS int64) node.Config {
	return node.Config{
		Key:       identity.NewNodeKey(s.Node),
		Rand:      rand.NewChaCha8(s.Rand),
		Secrets:   rand.NewChaCha8(s.Secrets),
		UploadBPS: uploadBPS,
		Reach:     node.ReachConfig{Carries: true, Aside: true},
		Gossip:    &node.GossipConfig{Secret: sha256.Sum256(append([]byte("streamer gossip"), s.Secrets[:]...))},
	}
}

// A Recorder writes a record. It belongs to the loop's goroutine. After an error it writes no more; Close tells the error.
type Recorder struct {
	file  *os.File
	w     *bufio.Writer
	err   error
	last  mono.Time
	sum   sum
	entry []byte
	head  []byte
}

// NewRecorder begins a record in a file that must not exist yet, readable by its user only.
func NewRecorder(path string, seeds Seeds, uploadBPS int64, now mono.Time) (*Recorder, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin the record: %w", err)
	}
	r := &Recorder{file: f, w: bufio.NewWriterSize(f, 1<<18), last: now, sum: newSum()}
	b := append([]byte(recordMagic), seeds.Node[:]...)
	b = append(append(b, seeds.Rand[:]...), seeds.Secrets[:]...)
	b = binary.AppendVarint(b, uploadBPS)
	b = binary.AppendUvarint(b, uint64(now))
	_, r.err = r.w.Write(b)
	return r, nil
}

// Close finishes the file and returns the first error of all.
func (r *Recorder) Close() error {
	if err := errors.Join(r.err, r.w.Flush(), r.file.Close()); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

func (r *Recorder) datagram(now mono.Time, from netip.AddrPort, b []byte, out node.Output) {
	r.begin(now, entryDatagram)
	r.addr(from)
	r.entry = append(r.entry, b...)
	r.finish(out)
}

func (r *Recorder) deadline(now mono.Time, out node.Output) {
	r.begin(now, entryDeadline)
	r.finish(out)
}

func (r *Recorder) command(now mono.Time, c node.Command, out node.Output) {
	switch c := c.(type) {
	case node.TuneCommand:
		r.begin(now, entryTune)
		r.entry = append(append(r.entry, c.Station[:]...), byte(c.Role))
		r.addrs(c.Peers)
	case node.UntuneCommand:
		r.begin(now, entryUntune)
		r.entry = append(r.entry, c.Station[:]...)
	case node.BeginCommand:
		r.begin(now, entryBegin)
		seed := c.Key.Seed()
		r.entry = append(r.entry, seed[:]...)
		r.uvarint(uint64(c.Epoch))
		r.entry = binary.AppendVarint(r.entry, c.BitrateBPS)
	case node.PublishCommand:
		r.begin(now, entryPublish)
		r.publish(c)
	case node.EndCommand:
		r.begin(now, entryEnd)
		r.entry = append(r.entry, c.Station[:]...)
	case node.WallClockCommand:
		r.begin(now, entryWallClock)
		r.entry = binary.AppendVarint(r.entry, c.UnixMilli)
	case node.UploadCommand:
		r.begin(now, entryUpload)
		r.entry = binary.AppendVarint(r.entry, c.BPS)
	case node.LearnedUploadCommand:
		r.begin(now, entryLearnedUpload)
		r.entry = binary.AppendVarint(r.entry, c.BPS)
	case node.MeasureUploadCommand:
		r.begin(now, entryMeasureUpload)
	case node.LeaveCommand:
		r.begin(now, entryLeave)
	case node.DescribeCommand:
		r.begin(now, entryDescribe)
		r.describe(c)
	case node.AddPeersCommand:
		r.begin(now, entryAddPeers)
		r.entry = append(r.entry, c.Station[:]...)
		r.addrs(c.Peers)
	case node.MeetCommand:
		r.begin(now, entryMeet)
		r.meet(c)
	case node.LocalCommand:
		r.begin(now, entryLocal)
		r.local(c)
	case node.MappedCommand:
		r.begin(now, entryMapped)
		r.addr(c.Outside)
		r.uvarint(uint64(c.Lifetime / time.Second))
	case node.AsideCommand:
		r.begin(now, entryAside)
		r.addr(c.From)
		r.entry = append(r.entry, c.Token[:]...)
	default:
		panic(fmt.Sprintf("daemon: the recorder does not know %T", c))
	}
	r.finish(out)
}

func (r *Recorder) publish(c node.PublishCommand) {
	r.entry = append(append(r.entry, c.Station[:]...), c.Kind)
	r.entry = binary.AppendVarint(r.entry, int64(c.Start))
	r.entry = binary.AppendVarint(r.entry, int64(c.Duration))
	r.entry = append(r.entry, c.Data...)
}

func (r *Recorder) meet(c node.MeetCommand) {
	r.addrs(c.Seeds)
	r.uvarint(uint64(len(c.Hosts)))
	for _, h := range c.Hosts {
		r.addr(h.Addr)
		r.entry = append(r.entry, h.Node[:]...)
	}
}

func (r *Recorder) describe(c node.DescribeCommand) {
	seed := c.Key.Seed()
	r.entry = append(append(r.entry, seed[:]...), c.Codec)
	r.uvarint(uint64(c.KBPS))
	for _, text := range []string{c.Name, c.Genre, c.Description, c.URL, c.Title} {
		r.uvarint(uint64(len(text)))
		r.entry = append(r.entry, text...)
	}
}

func (r *Recorder) begin(now mono.Time, kind byte) {
	r.entry = append(r.entry[:0], kind)
	r.uvarint(uint64(now - r.last))
	r.last = now
}

func (r *Recorder) finish(out node.Output) {
	s := r.sum.add(out)
	r.entry = append(r.entry, s[:]...)
	r.head = binary.AppendUvarint(r.head[:0], uint64(len(r.entry)))
	if r.err == nil {
		_, r.err = r.w.Write(r.head)
	}
	if r.err == nil {
		_, r.err = r.w.Write(r.entry)
	}
}

func (r *Recorder) uvarint(v uint64) { r.entry = binary.AppendUvarint(r.entry, v) }

// addr writes an address as length, bytes, port; a zone is not kept, the core has no use for it.
func (r *Recorder) addrs(list []netip.AddrPort) {
	r.uvarint(uint64(len(list)))
	for _, a := range list {
		r.addr(a)
	}
}

func (r *Recorder) addr(a netip.AddrPort) {
	b := a.Addr().AsSlice()
	r.entry = append(append(r.entry, byte(len(b))), b...)
	r.entry = binary.BigEndian.AppendUint16(r.entry, a.Port())
}

// A sum is the running hash of all output.
type sum struct {
	hash   hash.Hash
	state  [sha256.Size]byte
	buf    []byte
	sealed []byte
}

func newSum() sum { return sum{hash: sha256.New(), sealed: make([]byte, 0, wire.DatagramBytesMax)} }

// add folds in what one call gave: every byte that goes on the wire, and every notice.
func (s *sum) add(out node.Output) (short [recordSum]byte) {
	s.hash.Reset()
	s.hash.Write(s.state[:])
	for _, d := range out.Datagrams {
		s.bytes('d', d.To, d.Data)
	}
	for i := range out.Fanouts {
		f := &out.Fanouts[i]
		for t := range f.Tickets {
			s.sealed = f.Tickets[t].AppendDatagram(s.sealed[:0], f.Payload)
			s.bytes('f', f.Tickets[t].To, s.sealed)
		}
	}
	for _, n := range out.Notices {
		s.notice(n)
	}
	s.hash.Sum(s.state[:0])
	copy(short[:], s.state[:])
	return short
}

func (s *sum) bytes(tag byte, to netip.AddrPort, data []byte) {
	s.buf = append(s.buf[:0], tag)
	addr := to.Addr().As16()
	s.buf = append(s.buf, addr[:]...)
	s.buf = binary.BigEndian.AppendUint16(s.buf, to.Port())
	s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(data)))
	s.hash.Write(s.buf)
	s.hash.Write(data)
}

func (s *sum) notice(n node.Notice) {
	s.buf = append(s.buf[:0], 'n', byte(n.Kind), n.Chunk)
	s.buf = append(s.buf, n.Station[:]...)
	for _, v := range []uint32{n.Epoch, n.Seq, n.Count, uint32(len(n.Data))} {
		s.buf = binary.BigEndian.AppendUint32(s.buf, v)
	}
	s.buf = binary.BigEndian.AppendUint64(s.buf, uint64(n.Start))
	s.buf = binary.BigEndian.AppendUint64(s.buf, uint64(n.Duration))
	s.hash.Write(s.buf)
	s.hash.Write(n.Data)
}
