// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"testing"
	"time"

	"streamer/internal/mesh"
	"streamer/internal/mono"
	"streamer/internal/uplink"
)

const testSecond = mono.Time(time.Second)

// wholeSend is a push of a whole chunk; its IPv4 packet has uplinkPacket bytes.
func wholeSend(seq uint32, p mesh.Priority) *mesh.Send {
	return &mesh.Send{Priority: p, Epoch: 1, Seq: seq, Data: make([]byte, 1120)}
}

const uplinkPacket = 1200

// However much waits, and however long nothing did before, what goes out in any second is at most the cap and one burst.
func TestUplinkStaysBelowTheCap(t *testing.T) {
	for _, capBPS := range []int64{64_000, 1_000_000, 20_000_000} {
		var u upload
		u.init(testSecond, capBPS)
		st := &station{}
		var times []mono.Time
		seq, now := uint32(0), testSecond.Add(5*time.Second)
		for end := now.Add(10 * time.Second); now < end; {
			for {
				u.push(now, st, wholeSend(seq, mesh.Push), 1) // always something to send
				seq++
				if _, ok := u.pop(now); !ok {
					break
				}
				u.sent(now, uplinkPacket)
				times = append(times, now)
			}
			next := u.deadline()
			if next <= now {
				t.Fatalf("cap %d: at %d it wants to be called at %d", capBPS, now, next)
			}
			now = next
		}
		limit := capBPS/8 + max(2400, capBPS/8/50) + uplinkPacket // a packet may begin with the last token
		for from, to := 0, 0; to < len(times); to++ {
			for times[to].Sub(times[from]) >= time.Second {
				from++
			}
			if got := int64(to-from+1) * uplinkPacket; got > limit {
				t.Fatalf("cap %d: %d bytes within a second, at most %d", capBPS, got, limit)
			}
		}
		if got, least := int64(len(times))*uplinkPacket, 10*capBPS/8*95/100; got < least {
			t.Errorf("cap %d: %d bytes in 10 s of at least %d", capBPS, got, least)
		}
	}
}

// A loop that wakes late, as on a busy machine, sends as much as one that does not: up to the bytes of 200 ms at once, but only where
// audio has waited for them.
func TestUplinkWakesLate(t *testing.T) {
	const capBPS = 640_000
	for _, late := range []time.Duration{time.Millisecond, 50 * time.Millisecond, 150 * time.Millisecond, time.Second} {
		var u upload
		u.init(testSecond, capBPS)
		st := &station{}
		seq, sent, most := uint32(0), 0, 0
		const span = 30 * time.Second
		for now := testSecond.Add(5 * time.Second); now < testSecond.Add(5*time.Second+span); now = now.Add(late) {
			for u.waiting() < 100 {
				u.push(now, st, wholeSend(seq, mesh.Push), 1)
				seq++
			}
			was := sent
			for _, ok := u.pop(now); ok; _, ok = u.pop(now) {
				u.sent(now, uplinkPacket)
				sent += uplinkPacket
			}
			most = max(most, sent-was)
		}
		want := int64(capBPS * fillPercent / 100 / 8 * 30)
		if late > lateSpan {
			want = want * int64(lateSpan) / int64(late) // it has slept
		}
		if got := int64(sent); got < want*95/100 || got > want*105/100 {
			t.Errorf("%v late: %d bytes, want %d", late, got, want)
		}
		if limit := capBPS / 8 / 5; most > limit+uplinkPacket {
			t.Errorf("%v late: %d bytes at once, at most %d", late, most, limit)
		}
	}
}

// What is more than the cap for a moment is paid back before anything else goes out.
func TestUplinkPaysBack(t *testing.T) {
	const capBPS = 800_000
	var u upload
	u.init(testSecond, capBPS)
	u.sent(testSecond, 50_000) // control is never held back
	u.push(testSecond, &station{}, wholeSend(0, mesh.Push), 1)
	if _, ok := u.pop(testSecond); ok {
		t.Error("audio goes out while the bucket is in debt")
	}
	owed := int64(50_000 - burstBytesMin)
	due := testSecond.Add(time.Duration(owed*8*100/fillPercent) * time.Second / capBPS)
	if early := u.deadline(); early < due || early > due.Add(time.Millisecond) {
		t.Errorf("wants to be called at %d, want %d", early, due)
	}
	if _, ok := u.pop(u.deadline()); !ok {
		t.Error("nothing at the deadline")
	}
}

func TestUplinkOrder(t *testing.T) {
	var u upload
	u.init(testSecond, 10_000_000)
	st := &station{}
	for seq, p := range []mesh.Priority{mesh.Repair, mesh.Backlog, mesh.Push, mesh.Push} {
		u.push(testSecond, st, wholeSend(uint32(seq), p), 1)
	}
	for _, want := range []uint32{2, 3, 1, 0} {
		got, ok := u.pop(testSecond)
		if !ok || got.send.Seq != want {
			t.Errorf("chunk %d, %v; want %d", got.send.Seq, ok, want)
		}
	}
	if _, ok := u.pop(testSecond); ok || u.waiting() != 0 || u.deadline() != mono.Never {
		t.Error("the queue is not empty")
	}
}

// What waited too long is dropped and counted, what is queued already is not queued again, and nothing waits without bound.
func TestUplinkDrops(t *testing.T) {
	var u upload
	u.init(testSecond, 10_000_000)
	st := &station{}
	u.push(testSecond, st, wholeSend(1, mesh.Repair), 1)
	u.push(testSecond, st, wholeSend(1, mesh.Repair), 1)
	u.push(testSecond, st, wholeSend(1, mesh.Repair), 2)
	if u.waiting() != 2 {
		t.Errorf("%d repairs wait", u.waiting())
	}
	if _, ok := u.pop(testSecond.Add(queueFor[mesh.Repair] + time.Millisecond)); ok || u.Late != 2 {
		t.Errorf("a late repair goes out; %d are late", u.Late)
	}
	for seq := range uint32(queueMax[mesh.Backlog]) + 5 {
		u.push(testSecond, st, wholeSend(seq, mesh.Backlog), 1)
	}
	if u.waiting() != queueMax[mesh.Backlog] || u.Late != 7 {
		t.Errorf("%d wait, %d dropped", u.waiting(), u.Late)
	}
	u.forget(st)
	if u.waiting() != 0 {
		t.Errorf("%d wait for a station that was left", u.waiting())
	}
}

// A node without upload gives nothing, one without a cap queues nothing.
func TestUplinkWithoutCap(t *testing.T) {
	n := &Node{}
	n.up.init(testSecond, 0)
	n.up.push(testSecond, &station{}, wholeSend(0, mesh.Push), 1)
	if n.Gives() || n.up.waiting() != 0 || n.up.Late != 1 || n.Indebted(testSecond) {
		t.Error("a node that gives nothing")
	}
	n.up.setCap(testSecond, UploadAuto)
	if free, whole := n.FreeUpload(); n.up.capped() || !n.Gives() || !n.MayBurst(testSecond) || free != whole || whole != uplink.StartBPS*uplink.GivePercent/100 {
		t.Error("a node without a cap")
	}
	n.up.setCap(testSecond, 1_000_000)
	n.TakeUpload(300_000)
	if free, whole := n.FreeUpload(); whole != 890_058 || free != whole-300_000 || n.SpareUpload() < 699_000 || n.SpareUpload() > 700_000 {
		t.Errorf("%d of %d are free", free, whole)
	}
	n.TakeUpload(650_000)
	if free, whole := n.FreeUpload(); free != whole-950_000 || free >= 0 { // more is taken than there is: that is told, too
		t.Errorf("%d are free", free)
	}
}

// While live audio waits, nobody is taken on, and what is taken too much is told all the same.
func TestUplinkSaturated(t *testing.T) {
	n := &Node{}
	n.up.init(testSecond, 1_000_000)
	n.up.sent(testSecond, 100_000)
	n.up.push(testSecond, &station{}, wholeSend(0, mesh.Push), 1)
	if free, _ := n.FreeUpload(); free == 0 {
		t.Error("saturated at once")
	}
	n.up.refill(testSecond.Add(waitMax + time.Millisecond))
	if free, whole := n.FreeUpload(); free != 0 || whole != 890_058 || n.MayBurst(n.up.filled) || !n.Indebted(n.up.filled) {
		t.Errorf("%d of %d are free", free, whole)
	}
	n.TakeUpload(1_000_000)
	if free, whole := n.FreeUpload(); free != whole-1_000_000 || !n.Saturated() {
		t.Errorf("%d of %d are free, and a million is taken", free, whole)
	}
}

func TestPacketBytes(t *testing.T) {
	for addr, want := range map[string]int{"192.0.2.1:1": 128, "[::ffff:192.0.2.1]:1": 128, "[2001:db8::1]:1": 148} {
		if got := ipBytes(netip.MustParseAddrPort(addr), 100); got != want {
			t.Errorf("%s: %d bytes, want %d", addr, got, want)
		}
	}
}
