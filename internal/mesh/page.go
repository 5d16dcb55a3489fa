// SPDX-License-Identifier: MIT

package mesh

import "streamer/internal/identity"

// pageSlots is how many slots a page has.
const pageSlots = 16

// A page is a piece of an epoch's ring. One that is whole is alike for all nodes that have it, and in one process they share
// it (Shelf): then nobody changes it.
type page struct {
	slots  [pageSlots]*slot // nil: unknown
	filled uint8            // of them, with data
	shared bool
}

// growPages makes room up to next, which is not lower than e.next.
func (e *epoch) growPages(next uint32) {
	need := int((next-1)/pageSlots-e.base/pageSlots) + 1
	if need <= len(e.pages) {
		return
	}
	size := max(4, len(e.pages))
	for size < need {
		size *= 2
	}
	pages := make([]*page, size)
	if e.next > e.base {
		for i := e.base / pageSlots; i <= (e.next-1)/pageSlots; i++ {
			pages[i&uint32(size-1)] = e.pages[i&uint32(len(e.pages)-1)]
		}
	}
	e.pages = pages
}

// put places a slot at seq, which is in [base, next).
func (e *epoch) put(seq uint32, sl *slot) {
	at := &e.pages[seq/pageSlots&uint32(len(e.pages)-1)]
	pg := *at
	switch {
	case pg == nil:
		if pg, e.spare = e.spare, nil; pg == nil {
			pg = new(page)
		}
	case pg.shared:
		own := *pg
		own.shared = false
		pg = &own
	}
	*at = pg
	if old := pg.slots[seq%pageSlots]; sl.data != nil && (old == nil || old.data == nil) {
		pg.filled++
	}
	pg.slots[seq%pageSlots] = sl
	if pg.filled < pageSlots {
		return
	}
	if same := e.shelf.page(pageKey{e.station, e.num, seq / pageSlots}, pg); same != pg {
		*at = same
		e.recycle(pg)
	}
}

// dropPage forgets the page that seq is on.
func (e *epoch) dropPage(seq uint32) {
	if len(e.pages) == 0 {
		return
	}
	at := &e.pages[seq/pageSlots&uint32(len(e.pages)-1)]
	if *at != nil && !(*at).shared {
		e.recycle(*at)
	}
	*at = nil
}

// recycle keeps a page that nobody refers to any more for the next one.
func (e *epoch) recycle(pg *page) {
	*pg = page{}
	e.spare = pg
}

// pageKey names a page.
type pageKey struct {
	station identity.StationID
	epoch   uint32
	page    uint32 // its first chunk divided by pageSlots
}

// page returns the page that all nodes have which have the same slots there: from now on it is shared. pg is a whole one.
func (sh *Shelf) page(key pageKey, pg *page) *page {
	if sh == nil {
		return pg
	}
	if kept := sh.pages[key]; kept != nil {
		if kept.slots != pg.slots {
			return pg
		}
		return kept
	}
	if sh.pages == nil {
		sh.pages = map[pageKey]*page{}
	}
	pg.shared = true
	sh.pages[key] = pg
	if len(sh.pageKeys) < shelfPagesMax {
		sh.pageKeys = append(sh.pageKeys, key)
		return pg
	}
	delete(sh.pages, sh.pageKeys[sh.nextP])
	sh.pageKeys[sh.nextP] = key
	sh.nextP = (sh.nextP + 1) % shelfPagesMax
	return pg
}
