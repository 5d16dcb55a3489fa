// SPDX-License-Identifier: MIT

package link_test

import (
	"testing"
	"time"

	"streamer/internal/link"
	"streamer/internal/wire"
)

// Whatever is sent, received, refused or split, what kinds count is what all together count.
func TestTalliesAddUp(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add("a", "192.0.2.1:1"), n.add("b", "192.0.2.2:1")
	a.dial(b)
	n.run(2 * time.Second)
	ping := wire.Ping{Token: 7}.Append(nil)
	both := append(wire.Have{Channel: 1}.Append(nil), ping...)
	if !a.table.Seal(n.now, a.only(), both, &a.out) {
		t.Fatal("not sealed")
	}
	a.table.Split(link.Out, wire.KindHave, wire.KindLink, len(ping))
	a.flush()
	n.run(30 * time.Second)
	b.table.HandleDatagram(n.now, a.addr, []byte{5, 1, 2}, &b.out)
	b.table.HandleDatagram(n.now, a.addr, []byte("what is this"), &b.out)
	for _, h := range []*host{a, b} {
		c := h.table.Counters()
		var in, out uint64
		for k := range wire.Kinds {
			in, out = in+c.In[k].Bytes, out+c.Out[k].Bytes
		}
		if in != c.BytesIn || out != c.BytesOut {
			t.Errorf("%s: kinds add up to %d in and %d out, want %d and %d", h.name, in, out, c.BytesIn, c.BytesOut)
		}
	}
	if c := b.table.Counters(); c.In[wire.KindRefused].Messages != 2 || c.In[wire.KindHave].Messages != 1 ||
		c.In[wire.KindHandshake].Messages == 0 || c.In[wire.KindLink].Messages == 0 {
		t.Errorf("%+v", c.In)
	}
	have := wire.Have{Channel: 1}.Append(nil)
	if c := a.table.Counters(); c.Out[wire.KindHave] != (link.Tally{Messages: 1, Bytes: uint64(28 + wire.DataBytesMin + len(have))}) {
		t.Errorf("%+v", c.Out[wire.KindHave])
	}
}
