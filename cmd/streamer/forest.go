// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"streamer/internal/daemon"
)

// What a drawn forest has at most, so that it fits a terminal of 80 columns.
const (
	forestChildren = 12
	forestName     = 22 // the column of names, at least
	forestAddress  = 20
	forestWay      = 52 // names of ancestors in a row
	ancestorChars  = 6  // of node ids, in "ancestors" of the API
)

// A twig is a node on the way from the studio to this node.
type twig struct {
	name   string
	parent *daemon.ParentStatus // nil: it feeds this node only through others
	twigs  []*twig
}

// grow returns the twig below t that has a name.
func (t *twig) grow(name string) *twig {
	for _, below := range t.twigs {
		if below.name == name {
			return below
		}
	}
	below := &twig{name: name}
	t.twigs = append(t.twigs, below)
	return below
}

// wayHere makes the tree of all that lie between the studio, which is its root, and this node.
func wayHere(parents []daemon.ParentStatus) *twig {
	studio := &twig{name: "studio"}
	for i := range parents {
		p := &parents[i]
		at := studio
		switch {
		case p.Hops == nil:
			at = studio.grow("by a way unknown")
		case *p.Hops == 0:
			studio.parent = p
			continue
		case *p.Hops == len(p.Ancestors): // one way
			for _, name := range p.Ancestors[1:] {
				at = at.grow(name)
			}
		case len(p.Ancestors) > 1:
			at = studio.grow(strings.Join(p.Ancestors[1:], ", "))
		}
		at.grow(p.NodeID[:min(len(p.NodeID), ancestorChars)]).parent = p
	}
	return studio
}

// printForest draws where a node sits: the way from the studio, this node, and whom it feeds.
func printForest(w io.Writer, st *daemon.TunedStatus) error {
	if len(st.Parents)+len(st.Children) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(st.Parents) > 0 {
		studio := wayHere(st.Parents)
		if studio.parent == nil {
			row(t, "  studio", "sixteenths", "behind", "away")
		} else {
			row(t, "", "sixteenths", "behind", "away")
			printParent(t, "  studio", studio.parent)
		}
		printTwigs(t, "  ", studio.twigs)
	}
	printHere(t, st)
	if err := t.Flush(); err != nil || len(st.Children) == 0 {
		return err
	}
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row(t, "  feeds", "sixteenths", "kbit/s", "away")
	printChildren(t, st)
	return t.Flush()
}

// row writes up to four cells beside a name, which is wide enough for the tables of parents and of children to stand below each other.
func row(w io.Writer, name string, cells ...string) {
	var all [4]string // one column goes on only where every row has a cell
	copy(all[:], cells)
	fmt.Fprintf(w, "%-*s\t%s\n", forestName, name, strings.Join(all[:], "\t"))
}

func milliseconds(ms int64) string { return fmt.Sprintf("%d ms", ms) }

// printTwigs draws twigs below an indentation; those that only lead to one other share its line.
func printTwigs(w io.Writer, indent string, twigs []*twig) {
	for i, t := range twigs {
		branch, rest := "├─ ", "│  "
		if i == len(twigs)-1 {
			branch, rest = "└─ ", "   "
		}
		name := t.name
		for t.parent == nil && len(t.twigs) == 1 && t.twigs[0].parent == nil {
			t = t.twigs[0]
			name += " › " + t.name
		}
		if t.parent != nil {
			printParent(w, indent+branch+short(t.parent.NodeID), t.parent)
		} else {
			row(w, indent+branch+clipMiddle(name, forestWay))
		}
		printTwigs(w, indent+rest, t.twigs)
	}
}

func printParent(w io.Writer, name string, p *daemon.ParentStatus) {
	behind := ""
	if p.LagMS != nil {
		behind = fmt.Sprintf("%.2f s", float64(*p.LagMS)/1000)
	}
	row(w, name, sixteenths(p.Classes), behind, milliseconds(p.RTTMS), wayTo(&p.NeighborStatus))
}

// printHere tells of each sixteenth how far the studio is, and how many this node sends it.
func printHere(w io.Writer, st *daemon.TunedStatus) {
	hops, children := "", ""
	for _, c := range st.Position.Classes {
		if c.Hops == nil {
			hops += "."
		} else {
			hops += digit(*c.Hops)
		}
		children += digit(c.Children)
	}
	row(w, "  this node    hops", hops)
	if len(st.Children) > 0 {
		row(w, "               children", children)
	}
}

// digit is one character for a number: + from 10 on.
func digit(n int) string {
	if n > 9 {
		return "+"
	}
	return fmt.Sprint(n)
}

func printChildren(w io.Writer, st *daemon.TunedStatus) {
	children := slices.Clone(st.Children)
	slices.SortStableFunc(children, func(a, b daemon.ChildStatus) int { return cmp.Compare(b.UploadBPS, a.UploadBPS) })
	shown := children[:min(len(children), forestChildren)]
	for i := range shown {
		c := &shown[i]
		branch, standing := "├─ ", "relay"
		if i == len(children)-1 {
			branch = "└─ "
		}
		if c.Leaf {
			standing = "leaf"
		}
		row(w, "  "+branch+short(c.NodeID)+" "+standing, sixteenths(c.Classes), shareOf(c.UploadBPS, st.Position.GiveBPS),
			milliseconds(c.RTTMS), wayTo(&c.NeighborStatus))
	}
	if more := children[len(shown):]; len(more) > 0 {
		var bps int64
		for i := range more {
			bps += more[i].UploadBPS
		}
		row(w, fmt.Sprintf("  └─ %d more", len(more)), "", shareOf(bps, st.Position.GiveBPS))
	}
}

// shareOf is a rate in kbit/s, and in percent of the upload that may be given.
func shareOf(bps, whole int64) string {
	rate := fmt.Sprint((bps + 500) / 1000)
	if whole <= 0 {
		return rate
	}
	return fmt.Sprintf("%s, %d %%", rate, (100*bps+whole/2)/whole)
}

// sixteenths draws classes: each at its place, as a hexadecimal digit.
func sixteenths(classes []int) string {
	places := []byte("................")
	for _, c := range classes {
		if c >= 0 && c < len(places) {
			places[c] = "0123456789abcdef"[c]
		}
	}
	return string(places)
}

// wayTo says where a neighbour is, without its port.
func wayTo(n *daemon.NeighborStatus) string {
	address := n.Addr
	if a, err := netip.ParseAddrPort(n.Addr); err == nil {
		address = a.Addr().String()
	}
	if n.LAN {
		address = "LAN " + address
	}
	return clipMiddle(address, forestAddress)
}

// clipMiddle shortens a text to so many characters.
func clipMiddle(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	r := []rune(s)
	head := most / 2
	return string(r[:head]) + "…" + string(r[len(r)-(most-head-1):])
}

// standing says what the node is to others, and what it could be.
func standing(st *daemon.TunedStatus) string {
	p := &st.Position
	if p.GiveBPS <= 0 {
		return p.Standing + ", gives no upload"
	}
	return fmt.Sprintf("%s; %s of %s spare, room for %s", p.Standing, bitRate(p.SpareBPS), bitRate(p.GiveBPS), plural(p.RoomClasses, "sixteenth"))
}
