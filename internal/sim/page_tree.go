// SPDX-License-Identifier: MIT

package sim

import "fmt"

// treeColors is how many colours tell groups apart; more groups share them.
const treeColors = 6

// The shape of a drawn tree.
const (
	treeTop  = 18
	treeRow  = 64
	treeLeft = 40 // room for the numbers of the rows
)

// A treeView is a drawn tree: each row is one hop further from the source.
type treeView struct {
	Height float64
	Rows   []tick
	Main   []edge // to whoever feeds a host the most
	Others []edge
	Dots   []dot
	Legend []legend
	Sample int // hosts that are drawn, the source not counted
	Unfed  int // of them without a parent
}

type edge struct{ Path string }

type dot struct {
	X, Y, R float64
	Color   int // -1: the source
}

type legend struct {
	Color int
	Name  string
}

// treeView lays a tree out: hosts under whoever feeds them the most, leaves side by side.
func (r *Result) treeView() treeView {
	tree := r.Pictures.Tree
	v := treeView{Sample: max(0, len(tree)-1)}
	if len(tree) == 0 {
		return v
	}
	l := layout{tree: tree, children: make([][]int, len(tree)), x: make([]float64, len(tree)), row: make([]int, len(tree))}
	for i := range tree {
		l.row[i] = -1
	}
	main := mainParents(tree)
	for i, from := range main {
		if from >= 0 {
			l.children[from] = append(l.children[from], i)
		}
	}
	deepest := l.place(0, 0)
	leaf := (plotWidth - treeLeft - 12) / max(l.leaves, 1)
	at := func(i int) (x, y float64) { return treeLeft + l.x[i]*leaf, treeTop + float64(l.row[i]*treeRow) }
	for i, b := range tree {
		if l.row[i] < 0 {
			v.Unfed++
			continue
		}
		x, y := at(i)
		d := dot{X: x, Y: y, R: min(3+float64(len(l.children[i]))/2, 8), Color: b.Class % treeColors}
		if i == 0 {
			d.R, d.Color = 9, -1
		}
		v.Dots = append(v.Dots, d)
		for _, p := range b.Parents {
			if l.row[p] < 0 {
				continue
			}
			px, py := at(p)
			e := edge{fmt.Sprintf("M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", px, py, px, (py+y)/2, x, (py+y)/2, x, y)}
			if p == main[i] {
				v.Main = append(v.Main, e)
			} else {
				v.Others = append(v.Others, e)
			}
		}
	}
	for row := range deepest + 1 {
		v.Rows = append(v.Rows, tick{treeTop + float64(row*treeRow), fmt.Sprint(row)})
	}
	v.Height = treeTop + float64(deepest*treeRow) + 24
	for i, c := range r.Classes {
		v.Legend = append(v.Legend, legend{Color: i % treeColors, Name: c.Name})
	}
	return v
}

// A layout is a tree that is being laid out.
type layout struct {
	tree     []Branch
	children [][]int
	x        []float64 // in leaves
	row      []int     // -1: not reached from the source
	leaves   float64
}

// place places a host and all below it, and returns the deepest row.
func (l *layout) place(i, row int) (deepest int) {
	l.row[i] = row
	if len(l.children[i]) == 0 {
		l.x[i] = l.leaves + 0.5
		l.leaves++
		return row
	}
	for _, c := range l.children[i] {
		deepest = max(deepest, l.place(c, row+1))
	}
	first, last := l.children[i][0], l.children[i][len(l.children[i])-1]
	l.x[i] = (l.x[first] + l.x[last]) / 2
	return deepest
}

// mainParents says below whom each host is drawn: whoever feeds it the most, unless that goes in a circle, as it may when the classes
// of two hosts come by different ways; then below the next. -1: nobody, which the source is too.
func mainParents(tree []Branch) []int {
	main := make([]int, len(tree))
	placed := make([]bool, len(tree))
	for i := range main {
		main[i], placed[i] = -1, i == 0
	}
	for nth := 0; nth < len(tree); {
		moved := false
		for i := range tree {
			for _, from := range tree[i].Parents[:min(nth+1, len(tree[i].Parents))] {
				if !placed[i] && placed[from] {
					main[i], placed[i], moved = from, true, true
				}
			}
		}
		if moved {
			nth = 0
		} else {
			nth++
		}
	}
	return main
}
