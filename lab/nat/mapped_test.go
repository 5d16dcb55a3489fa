// SPDX-License-Identifier: MIT

//go:build lab && linux

package nat

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"streamer/lab/netlab"
)

// mappedPlaces are homes whose routers map ports by PCP, NAT-PMP and UPnP IGD.
func mappedPlaces() []place {
	var list []place
	for _, k := range []netlab.Kind{netlab.PortRestricted, netlab.SymmetricRandom} {
		list = append(list, place{name: "mapped, " + k.String(), kind: k, mapped: true})
	}
	return list
}

// mappedPairs are the pairs of a mapped place and another one, or itself.
func mappedPairs() []pair {
	var list []pair
	for _, m := range mappedPlaces() {
		for _, p := range places() {
			list = append(list, pair{m, p}, pair{p, m})
		}
		for _, other := range mappedPlaces() {
			list = append(list, pair{m, other})
		}
	}
	return list
}

// TestMatrixMapped is the matrix of homes whose router, a miniupnpd, maps a port for the node: in the short run those pairs that
// tell most. The long run writes docs/results/nat-mapped.md. LAB_NAT_RUNS changes how many runs.
func TestMatrixMapped(t *testing.T) {
	beside(t)
	pairs, runs := mappedPairs(), 1
	if long {
		runs = runsLong
	} else {
		hard := []netlab.Kind{netlab.PortRestricted, netlab.SymmetricRandom, netlab.IPv6Stateful}
		pairs = slices.DeleteFunc(pairs, func(p pair) bool {
			return !slices.Contains(hard, p.source.kind) || !slices.Contains(hard, p.listener.kind) || p.source.carrier || p.listener.carrier ||
				p.source.mapped && p.source.kind != netlab.SymmetricRandom || p.listener.mapped && p.listener.kind != netlab.SymmetricRandom
		})
	}
	runs = runsOf(t, runs)
	page := mappedPage(meetAll(t, pairs, runs), runs)
	t.Log("\n" + page)
	if long {
		must(t, os.WriteFile(filepath.Join("..", "..", "docs", "results", "nat-mapped.md"), []byte(page), 0o644))
	}
}

// mappedPage is docs/results/nat-mapped.md.
func mappedPage(results map[pair][]meeting, runs int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Through NATs whose router maps ports

As [the matrix](nat.md), for homes whose router runs Debian's miniupnpd: the node asks it for a port by PCP, NAT-PMP or UPnP IGD, and
strangers reach that port, whatever the NAT does with all else. %d runs of each pair; a listener tunes in when the broadcaster's
port is mapped, and has none itself. A cell says in how many runs the broadcaster fed the listener itself, of how many; **bold** where
that has to be always. The rest plays by way of others: it has no family of addresses in common, or the broadcaster is hidden and the
listener's NAT gives what it sends another port than the mapped one.

| |`, runs)
	for _, m := range mappedPlaces() {
		fmt.Fprintf(&b, " it feeds %s | %s, feeds it |", m.name, m.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", 2*len(mappedPlaces())) + "\n")
	var sum tally
	for _, p := range append(places(), mappedPlaces()...) {
		fmt.Fprintf(&b, "| %s |", p.name)
		for _, m := range mappedPlaces() {
			fmt.Fprintf(&b, " %s |", sum.cell(results[pair{p, m}]))
			if p.mapped { // that is another cell
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(&b, " %s |", sum.cell(results[pair{m, p}]))
		}
		b.WriteString("\n")
	}
	b.WriteString(sum.table())
	fmt.Fprintf(&b, "\n%s, with `LAB_LONG=1 LAB_NAT_RUNS=%d go test -tags lab -timeout 3h -run '^TestMatrixMapped$' -count 1 -v ./lab/nat/` as root on\n%s.\n",
		time.Now().Format("2 January 2006"), runs, netlab.Machine())
	return b.String()
}
