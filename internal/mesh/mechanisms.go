// SPDX-License-Identifier: MIT

package mesh

import (
	"fmt"
	"math/bits"
	"strings"

	"streamer/internal/wire"
)

// Mechanisms is a set of what makes a crowd form and heal. A simulation leaves some out, in all of its nodes, to see what they are
// good for; a program that ships leaves out none.
type Mechanisms uint8

// The mechanisms.
const (
	ClassTrees Mechanisms = 1 << iota // several parents bring a node its stream, and a node gives as many classes as it can; without, one parent brings all
	Climbing                          // who has played for a while looks for places nearer to the source, and is told of those that come free
	PushDown                          // a strong newcomer takes the place of weaker children
	Standbys                          // who is fed keeps links to others that it may ask; without, it has its parents alone
	Reserve                           // upload that is kept for those who lost a parent
)

// mechanismNames are in the order of the bits.
var mechanismNames = [...]string{"classes", "climbing", "pushdown", "standbys", "reserve"}

// MechanismNames lists the words of MechanismsOf.
func MechanismNames() []string { return mechanismNames[:] }

// MechanismsOf reads names; each is one of MechanismNames.
func MechanismsOf(names []string) (m Mechanisms, err error) {
next:
	for _, name := range names {
		for i, known := range mechanismNames {
			if name == known {
				m |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("mechanism %q: write one of %s", name, strings.Join(mechanismNames[:], ", "))
	}
	return m, nil
}

// Names is the reverse of MechanismsOf.
func (m Mechanisms) Names() (names []string) {
	for ; m != 0; m &= m - 1 {
		names = append(names, mechanismNames[bits.TrailingZeros8(uint8(m))])
	}
	return names
}

// uses reports whether a mechanism is not left out.
func (s *Station) uses(m Mechanisms) bool { return s.cfg.Without&m == 0 }

// allOrNone is what a parent gives of the classes that it could: where one parent brings all, that or nothing.
func (s *Station) allOrNone(given, fresh uint16) uint16 {
	if !s.uses(ClassTrees) && given != fresh {
		return 0
	}
	return given
}

// treeOf is the classes that change their parent together with those of a part.
func (s *Station) treeOf(part int) uint16 {
	if !s.uses(ClassTrees) {
		return 1<<wire.Classes - 1
	}
	return quarter << part
}
