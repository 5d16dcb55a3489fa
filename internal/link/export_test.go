// SPDX-License-Identifier: MIT

package link

import "unsafe"

// What tests look at or set, since waiting for it would take weeks.

// SkipPackets makes the next packet of a link have this counter.
func (t *Table) SkipPackets(id ID, counter uint32) { t.find(id).out.counter = counter }

// CounterMax is where a link ends.
const CounterMax = counterMax

// Window is the replay window.
type Window struct{ w window }

// Fresh is window.fresh.
func (w *Window) Fresh(counter uint32) bool { return w.w.fresh(counter) }

// Mark is window.mark.
func (w *Window) Mark(counter uint32) bool { return w.w.mark(counter) }

// LinkBytes is the size of the struct of one link.
const LinkBytes = unsafe.Sizeof(link{})
