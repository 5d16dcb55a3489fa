// SPDX-License-Identifier: MIT

package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"streamer/internal/wire"
)

// kindsTold is how many kinds the table tells.
const kindsTold = 8

// kindShares is what nodes sent, by kind, the most first.
func (m *measure) kindShares() []Kind {
	var kinds []Kind
	for k, bytes := range m.kinds {
		if bytes > 0 {
			kinds = append(kinds, Kind{wire.Kind(k).String(), ratio(bytes, m.payload)})
		}
	}
	slices.SortStableFunc(kinds, func(a, b Kind) int { return cmp.Compare(b.Share, a.Share) })
	return kinds
}

// kindsText is the shares of the kinds that were sent most.
func (r *Result) kindsText() string {
	var told []string
	for _, k := range r.Kinds[:min(len(r.Kinds), kindsTold)] {
		told = append(told, fmt.Sprintf("%s %.1f", k.Name, 100*k.Share))
	}
	return strings.Join(told, ", ")
}
