// SPDX-License-Identifier: MIT

//go:build lab && linux

package sources_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// A report says where and when the results are from.
type report struct {
	commit, load string
	began        time.Time
	planned      int // results
}

func newReport(t *testing.T, planned int) report {
	t.Helper()
	commit, err := exec.CommandContext(t.Context(), "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	return report{strings.TrimSpace(string(commit)), loadAverage(), time.Now(), planned}
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg") // Linux has it
	return strings.Join(strings.Fields(string(b))[:min(3, len(strings.Fields(string(b))))], " ")
}

// processor is the name of the machine's.
func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo") // another name is "unknown"
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "an unknown processor"
}

func kernel() string {
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease") // Linux has it
	return strings.TrimSpace(string(b))
}

// write makes the table anew, if one was asked for, from the results so far; nil is one that is not there yet.
func (rep report) write(t *testing.T, results []*result) {
	t.Helper()
	if *table == "" {
		return
	}
	have := slices.DeleteFunc(slices.Clone(results), func(r *result) bool { return r == nil })
	if err := os.WriteFile(*table, rep.markdown(have), 0o644); err != nil { //nolint:gosec // for everybody
		t.Error(err)
	}
}

func (rep report) markdown(results []*result) []byte {
	var b bytes.Buffer
	right, whole := 0, 0
	for _, r := range results {
		if r.fault() == "" {
			right++
			if r.verdict.late == 0 {
				whole++
			}
		}
	}
	fmt.Fprintf(&b, `# From the broadcast tool to a listener two hops away

Each tool plays a file of %v into a broadcaster. A listener (the middle) is fed by it, another (the last) by the middle; every
node has upload for four streams; the last one is told of the middle only. The three are processes of the real binary, on loopback. What the last one gives to a
player, from before the tool starts until nothing more comes, is compared with what the tool sent, packet by packet
(hashes by ffmpeg, nothing decoded): the file, or for the tools that encode anew (*) what was on their wire. Right is: no
packet altered, no hole, up to the last packet. "late" are packets from before the last node had tuned in: a
recording may begin late, by two fifths at most. "missing" are packets after that, those at the end included. "hops" is what the
last node said; where the result is right, it was fed by the middle alone.

Repeat: %s

%s, commit %s, %d cores of %s, Linux %s, load average before: %s, after: %s, %d combinations at once.

%d of %d combinations were run; %d are right, %d of them from the first packet on.

| tool | format | hops | packets sent | recorded | late | missing | altered | result |
|---|---|---|---|---|---|---|---|---|
`, playTime, "`go test -tags lab ./lab/sources -count 1 -timeout 1h -args -table $PWD/docs/results/sources.md`",
		rep.began.Format(time.DateOnly), rep.commit, runtime.NumCPU(), processor(), kernel(), rep.load, loadAverage(), atOnce,
		len(results), rep.planned, right, whole)
	for _, r := range results {
		name, v := r.tool.Name, r.verdict
		if r.tool.Encodes {
			name += " *"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d | %d | %d | %s |\n", name, r.format, r.route, v.sent, v.got, v.late,
			v.holes, v.altered, cmp.Or(strings.ReplaceAll(r.fault(), "|", "/"), "right"))
	}
	return b.Bytes()
}

// String lists the hops that the last node said, for people.
func (r route) String() string {
	var list []string
	for _, hops := range slices.Sorted(maps.Keys(r.hops)) {
		list = append(list, fmt.Sprint(hops))
	}
	return cmp.Or(strings.Join(list, ", "), "-")
}
