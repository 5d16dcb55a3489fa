// SPDX-License-Identifier: MIT

package daemon

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"streamer/internal/identity"
	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/wire"
)

// Errors of a record that is not whole.
var (
	ErrRecord    = errors.New("not a record, or a damaged one")
	ErrDiverged  = errors.New("the node gave other output than when it was recorded")
	errTruncated = fmt.Errorf("%w: it ends in the middle", ErrRecord)
)

// peersMax bounds the peers of one recorded tune.
const peersMax = 256

// Replay drives a new node through the calls in a file that Recorder wrote and compares what comes out, call by call. It
// returns how many calls agreed.
func Replay(path string) (calls int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	defer func() { _ = f.Close() }()
	calls, err = ReplayFrom(bufio.NewReaderSize(f, 1<<18))
	if err != nil {
		return calls, fmt.Errorf("replay %s: call %d: %w", path, calls+1, err)
	}
	return calls, nil
}

// ReplayFrom is Replay of an open record.
func ReplayFrom(r *bufio.Reader) (calls int, err error) {
	seeds, upload, now, err := readRecordHead(r)
	if err != nil {
		return 0, err
	}
	n := node.New(now, seeds.Config(upload))
	var out node.Output
	total := newSum()
	buf := make([]byte, entryBytesMax)
	for {
		e, err := readEntry(r, buf, now)
		if errors.Is(err, io.EOF) {
			return calls, nil
		}
		if err != nil {
			return calls, err
		}
		now = e.now
		out.Reset()
		e.play(n, &out)
		if total.add(out) != e.sum {
			return calls, fmt.Errorf("%w (kind %d at %v)", ErrDiverged, e.kind, time.Duration(now))
		}
		calls++
	}
}

// An entry is one recorded call.
type entry struct {
	kind    byte
	now     mono.Time
	from    netip.AddrPort
	data    []byte // of a datagram; valid until the next entry is read
	command node.Command
	sum     [recordSum]byte
}

func (e *entry) play(n *node.Node, out *node.Output) {
	switch e.kind {
	case entryDatagram:
		n.HandleDatagram(e.now, e.from, e.data, out)
	case entryDeadline:
		n.HandleDeadline(e.now, out)
	default:
		n.HandleCommand(e.now, e.command, out)
	}
}

func readRecordHead(r *bufio.Reader) (s Seeds, upload int64, now mono.Time, err error) {
	var magic [len(recordMagic)]byte
	if _, err = io.ReadFull(r, magic[:]); err != nil || string(magic[:]) != recordMagic {
		return s, 0, 0, ErrRecord
	}
	for _, seed := range []*[32]byte{&s.Node, &s.Rand, &s.Secrets} {
		if _, err = io.ReadFull(r, seed[:]); err != nil {
			return s, 0, 0, errTruncated
		}
	}
	upload, err = binary.ReadVarint(r)
	if err != nil {
		return s, 0, 0, errTruncated
	}
	u, err := binary.ReadUvarint(r)
	if err != nil || u >= uint64(mono.Never) {
		return s, 0, 0, errTruncated
	}
	return s, upload, mono.Time(u), nil
}

// readEntry reads one entry into buf; io.EOF says that there is none.
func readEntry(r *bufio.Reader, buf []byte, before mono.Time) (entry, error) {
	length, err := binary.ReadUvarint(r)
	if errors.Is(err, io.EOF) {
		return entry{}, io.EOF
	}
	if err != nil || length < recordSum+2 || length > entryBytesMax {
		return entry{}, ErrRecord
	}
	buf = buf[:length]
	if _, err := io.ReadFull(r, buf); err != nil {
		return entry{}, errTruncated
	}
	return parseEntry(buf, before)
}

func parseEntry(b []byte, before mono.Time) (entry, error) {
	body := len(b) - recordSum
	e := entry{kind: b[0], sum: [recordSum]byte(b[body:])}
	f := fields{rest: b[1:body]}
	e.now = before.Add(time.Duration(f.uvarint()))
	switch e.kind {
	case entryDatagram:
		e.from, e.data = f.addr(), f.all()
	case entryDeadline:
	case entryTune:
		c := node.TuneCommand{Station: f.station(), Role: node.Role(f.byte())}
		for range min(f.uvarint(), peersMax) {
			c.Peers = append(c.Peers, f.addr())
		}
		e.command = c
	case entryUntune:
		e.command = node.UntuneCommand{Station: f.station()}
	case entryBegin:
		e.command = node.BeginCommand{Key: f.stationKey(), Epoch: uint32(f.uvarint()), BitrateBPS: f.varint()}
	case entryPublish:
		e.command = node.PublishCommand{
			Station: f.station(), Kind: f.byte(), Start: time.Duration(f.varint()), Duration: time.Duration(f.varint()),
			Data: append([]byte(nil), f.all()...),
		}
	case entryEnd:
		e.command = node.EndCommand{Station: f.station()}
	case entryWallClock:
		e.command = node.WallClockCommand{UnixMilli: f.varint()}
	case entryUpload:
		e.command = node.UploadCommand{BPS: f.varint()}
	case entryLearnedUpload:
		e.command = node.LearnedUploadCommand{BPS: f.varint()}
	case entryMeasureUpload:
		e.command = node.MeasureUploadCommand{}
	case entryLeave:
		e.command = node.LeaveCommand{}
	case entryDescribe:
		c := node.DescribeCommand{Key: f.stationKey(), Codec: f.byte(), KBPS: uint16(f.uvarint())}
		for _, text := range []*string{&c.Name, &c.Genre, &c.Description, &c.URL, &c.Title} {
			*text = string(f.take(int(min(f.uvarint(), entryBytesMax))))
		}
		e.command = c
	case entryAddPeers:
		c := node.AddPeersCommand{Station: f.station()}
		for range min(f.uvarint(), peersMax) {
			c.Peers = append(c.Peers, f.addr())
		}
		e.command = c
	case entryMeet:
		e.command = f.meet()
	case entryLocal:
		e.command = f.local()
	case entryMapped:
		e.command = node.MappedCommand{Outside: f.addr(), Lifetime: time.Duration(min(f.uvarint(), 1<<32)) * time.Second}
	case entryAside:
		e.command = node.AsideCommand{From: f.addr(), Token: wire.PunchToken(f.take(len(wire.PunchToken{})))}
	default:
		return entry{}, ErrRecord
	}
	if f.bad || len(f.rest) != 0 || e.now < before {
		return entry{}, ErrRecord
	}
	return e, nil
}

// fields takes an entry's arguments off its front. Beyond the end there are zeroes, and bad is set.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) take(n int) []byte {
	if len(f.rest) < n {
		f.bad = true
		f.rest = nil
		return make([]byte, n)
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) stationKey() identity.StationKey {
	return identity.NewStationKey([identity.KeyBytes]byte(f.take(identity.KeyBytes)))
}

func (f *fields) meet() (c node.MeetCommand) {
	for range min(f.uvarint(), peersMax) {
		c.Seeds = append(c.Seeds, f.addr())
	}
	for range min(f.uvarint(), peersMax) {
		c.Hosts = append(c.Hosts, wire.Host{Addr: f.addr(), Node: identity.NodeID(f.take(identity.KeyBytes))})
	}
	return c
}

func (f *fields) all() []byte { return f.take(len(f.rest)) }

func (f *fields) byte() byte { return f.take(1)[0] }

func (f *fields) station() identity.StationID {
	return identity.StationID(f.take(identity.KeyBytes))
}

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.rest)
	if n <= 0 || v > 1<<62 {
		f.bad = true
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

func (f *fields) varint() int64 {
	v, n := binary.Varint(f.rest)
	if n <= 0 {
		f.bad = true
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

func (f *fields) addr() netip.AddrPort {
	n := int(f.byte())
	if n != 0 && n != 4 && n != 16 {
		f.bad = true
		return netip.AddrPort{}
	}
	a, _ := netip.AddrFromSlice(f.take(n))
	port := f.take(2)
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
}
