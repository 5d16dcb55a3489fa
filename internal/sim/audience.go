// SPDX-License-Identifier: MIT

package sim

import (
	"time"

	"streamer/internal/node"
)

// wireShare is what a listener needs on the wire for the audio's rate, in percent: a tenth goes with it.
const wireShare = 110

// provide scales the upload of all groups so that the resource index of the scenario is percent.
func (s *Scenario) provide(percent int64) {
	need := int64(s.Nodes) * s.BitrateBPS * wireShare / 100 * percent / 100
	var given int64
	for i, members := range s.members() {
		given += s.Groups[i].UploadBPS * int64(members)
	}
	need -= s.Source.UploadBPS
	for i := range s.Groups {
		g := &s.Groups[i]
		g.UploadBPS = int64(float64(g.UploadBPS) * float64(need) / float64(given))
		g.Line.UpBPS = max(g.UploadBPS*5/4, 64*kbit)
	}
}

// A gathered audience: it doubles every few seconds, and is left alone for some before anything is measured.
const (
	gatherDoubling = 5 * time.Second
	gatherRest     = 20 * time.Second
)

// gathered is an audience of classes that has gathered and is then watched for some time. Upload of classes is in hundredths
// of what a listener needs.
func gathered(nodes int, classes []class, percent int64, watched time.Duration) Scenario {
	s := Static(nodes)
	rate := s.BitrateBPS * wireShare / 100
	s.Source = Group{Name: "source", UploadBPS: 2 * rate, Line: homeLine(4*rate, 8*mbit)}
	s.Groups = nil
	for _, c := range classes {
		s.Groups = append(s.Groups, Group{
			Name: c.name, Permille: c.permille, Role: node.RoleListener, UploadBPS: rate * c.upload / 100,
			Line: homeLine(0, 8*mbit),
		})
	}
	s.provide(percent)
	s.Arrivals = []Arrivals{{Permille: 1000, At: time.Second, Doubling: gatherDoubling}}
	s.Settled = s.Arrivals[0].last(nodes) + gatherRest
	s.Duration = s.Settled + watched
	return s
}

type class struct {
	name     string
	permille int
	upload   int64
}

// homes are lines as people have them, of which an audience of some means is made.
var homes = []class{{"fibre", 50, 800}, {"cable", 250, 200}, {"dsl", 400, 120}, {"mobile", 300, 40}}

// ChurnBuiltin is an audience of which 30 % are replaced every minute.
func ChurnBuiltin(nodes int) Scenario {
	const churned = time.Minute
	s := gathered(nodes, homes, 150, churned+15*time.Second)
	s.Name, s.About = "churn", "30 % of the audience are replaced every minute; resource index 1.5"
	s.Churn = Churn{Permille: 300, From: s.Settled - gatherRest/2, Until: s.Settled + churned}
	return s
}

// Scarce is an audience most of which has almost no upload.
func Scarce(nodes int) Scenario {
	s := gathered(nodes, []class{{"server", 20, 2000}, {"fibre", 80, 300}, {"dsl", 300, 120}, {"mobile", 600, 16}}, 110, time.Minute)
	s.Name, s.About = "scarce", "resource index 1.1, 60 % of the audience with almost no upload"
	return s
}

// Crash is an audience of which a fifth vanishes at once.
func Crash(nodes int) Scenario {
	s := gathered(nodes, homes, 150, 45*time.Second)
	s.Name, s.About = "crash", "20 % of the audience vanish at once; resource index 1.5"
	s.Faults = []Fault{{At: s.Settled + 10*time.Second, Kind: FaultCrash, Permille: 200}}
	return s
}

// Flash is an audience that grows tenfold within 10 s.
func Flash(nodes int) Scenario {
	s := gathered(nodes, homes, 150, 0)
	s.Name, s.About = "flash", "the audience grows tenfold within 10 s; resource index 1.5"
	s.Arrivals[0].Permille = 100
	s.Settled = s.Arrivals[0].last(nodes) + gatherRest
	s.Arrivals = append(s.Arrivals, Arrivals{Permille: 900, At: s.Settled + 10*time.Second, Over: 10 * time.Second})
	s.Duration = s.Settled + 50*time.Second
	return s
}
