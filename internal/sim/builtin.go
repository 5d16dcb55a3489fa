// SPDX-License-Identifier: MIT

package sim

import (
	"embed"
	"fmt"
	"strings"
	"time"
)

// The scenarios that ship are files like those that people write.
//
//go:embed scenarios/*.toml
var scenarioFiles embed.FS

const scenarioDir, scenarioSuffix = "scenarios/", ".toml"

// Builtins returns the names of the scenarios that ship, sorted.
func Builtins() []string {
	entries, err := scenarioFiles.ReadDir("scenarios")
	if err != nil {
		panic(fmt.Sprintf("sim: the scenarios that ship: %v", err))
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), scenarioSuffix))
	}
	return names
}

// Find returns a scenario that ships; ok false: none has that name.
func Find(name string) (f *File, ok bool) {
	text, err := scenarioFiles.ReadFile(scenarioDir + name + scenarioSuffix)
	if err != nil {
		return nil, false
	}
	f, err = ParseFile(name, text)
	if err != nil {
		panic(fmt.Sprintf("sim: a scenario that ships: %v", err))
	}
	return f, true
}

// Shipped returns a scenario that ships, for a number of hosts. It panics when that does not add up.
func Shipped(name string, nodes int) Scenario {
	f, ok := Find(name)
	if !ok {
		panic(fmt.Sprintf("sim: no scenario %q ships", name))
	}
	s, err := f.Scenario(nodes)
	if err != nil {
		panic(fmt.Sprintf("sim: %v", err))
	}
	return s
}

// homeLine is an ordinary line: 20 ms to the middle of the internet, give or take.
func homeLine(upBPS, downBPS int64) Line {
	return Line{UpBPS: upBPS, DownBPS: downBPS, DelayMin: 5 * time.Millisecond, DelayMax: 35 * time.Millisecond}
}

const (
	kbit = 1000
	mbit = 1000 * kbit
)
