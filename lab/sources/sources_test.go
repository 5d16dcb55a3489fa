// SPDX-License-Identifier: MIT

//go:build lab && linux

package sources_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"streamer/lab/netlab"
	"streamer/lab/tools"
)

var table = flag.String("table", "", "file to write the results to, as Markdown; an absolute path")

// streamer is the path of the program under test.
var streamer string

const (
	playTime = 12 * time.Second
	atOnce   = 3
	runMax   = 3 * time.Minute  // one tool and format, on a loaded machine
	tail     = 5 * time.Second  // recorded after the tool ended, at least
	quiet    = 3 * time.Second  // and until nothing has come for so long
	tailMax  = 30 * time.Second // and not for ever
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "streamer-sources-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "sources:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	streamer = filepath.Join(dir, "streamer")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", streamer, "../../cmd/streamer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "sources: build streamer: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A result is a line of the table.
type result struct {
	tool    tools.Tool
	format  tools.Format
	verdict verdict
	route   route
	err     error
}

// fault says what is wrong, or nothing.
func (r result) fault() string {
	v := r.verdict
	switch {
	case r.err != nil:
		text, _, _ := strings.Cut(r.err.Error(), "\n")
		return text
	case v.got == 0:
		return "nothing was recorded"
	case v.altered > 0:
		return "packets were altered or came out of order"
	case v.holes > 0:
		return fmt.Sprintf("holes; the last node says that it missed %d chunks", r.route.missing)
	case !v.right():
		return fmt.Sprintf("no hole, but begins late: %d %% was recorded", v.got*100/v.sent)
	case !r.route.middle || r.route.others:
		return "the last node was not fed by the middle alone"
	}
	return ""
}

// Every tool in every format, from the tool to a listener two hops away. `make test` has two; all of them take a quarter of
// an hour.
func TestSources(t *testing.T) {
	samples := makeSamples(t)
	var results []*result
	all := *table != "" || os.Getenv("LAB_LONG") != ""
	for _, tool := range tools.All() {
		for _, format := range tool.Formats {
			if all || tool.Name == "ffmpeg" && (format == tools.MP3 || format == tools.Opus) {
				results = append(results, &result{tool: tool, format: format})
			}
		}
	}
	// The usual way of each program comes first.
	slices.SortStableFunc(results, func(a, b *result) int {
		return cmp.Compare(strings.Count(a.tool.Name, " "), strings.Count(b.tool.Name, " "))
	})
	rep := newReport(t, len(results))
	stalls := netlab.WatchStalls(t)
	var lock sync.Mutex
	done := make([]*result, len(results))
	// Run from goroutines of our own: t.Parallel allows as many at once as there are processors.
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	defer running.Wait()
	for i, r := range results {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			t.Run(strings.ReplaceAll(r.tool.Name+" "+string(r.format), "/", "-"), func(t *testing.T) {
				stalls.Fairly(t, func() (faults []string) {
					*r = result{tool: r.tool, format: r.format}
					r.measure(t, samples[r.format])
					t.Logf("%+v, hops %v, %d chunks missed", r.verdict, r.route, r.route.missing)
					if fault := r.fault(); fault != "" {
						faults = append(faults, fmt.Sprintf("%s; %v", fault, r.err))
					}
					return faults
				})
				lock.Lock()
				defer lock.Unlock()
				done[i] = r
				rep.write(t, done)
			})
		})
	}
}

func makeSamples(t *testing.T) map[tools.Format]string {
	t.Helper()
	dir := t.TempDir()
	files := map[tools.Format]string{}
	for _, f := range tools.Formats() {
		file, err := tools.Sample(t.Context(), dir, f, playTime)
		if err != nil {
			t.Fatal(err)
		}
		files[f] = file
	}
	return files
}

// upload is four times the rate: enough for a child and for what it begins with. It is that of the sample, or what a
// tool that encodes anew is told.
func upload(tool tools.Tool, format tools.Format, file string) (int, error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	rate := int(info.Size()) * 8 / int(playTime/time.Second)
	if tool.Encodes && format != tools.FLAC && format != tools.OggFLAC {
		rate = max(rate, 128_000)
	}
	return rate * 4, nil
}

// measure fills the result in.
func (r *result) measure(t *testing.T, file string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runMax)
	defer cancel()
	dir := t.TempDir()
	bps, err := upload(r.tool, r.format, file)
	if err != nil {
		r.err = err
		return
	}
	c, err := startChain(ctx, dir, bps)
	if err != nil {
		r.err = err
		return
	}
	reference, recorded, err := r.play(ctx, c, file, dir)
	c.stop()
	var sent, got []string
	if err == nil {
		sent, err = tools.Frames(ctx, reference)
	}
	if err == nil {
		got, err = tools.Frames(ctx, recorded)
	}
	r.verdict, r.err = judge(sent, got), err
	if r.fault() != "" || testing.Verbose() {
		for _, nd := range []*node{c.source, c.middle, c.last} {
			t.Logf("%s:\n%s", nd.name, nd.said.Bytes())
		}
	}
}

// play lets the tool send, and returns the files of what it sent and of what the last node gave out.
func (r *result) play(ctx context.Context, c *chain, file, dir string) (reference, recorded string, err error) {
	sound := r.format.Extension()
	wire, err := newWire(ctx, c.source.ready.Source)
	if err != nil {
		return "", "", err
	}
	defer wire.close()
	if r.format == tools.WebM { // it comes out as Ogg
		sound = tools.Opus.Extension()
	}
	recorded = filepath.Join(dir, "recorded"+sound)
	f, err := os.Create(recorded)
	if err != nil {
		return "", "", err
	}
	defer f.Close() //nolint:errcheck // written by then
	listening, stop := context.WithCancel(ctx)
	defer stop()
	out := &meter{file: f}
	var ears sync.WaitGroup
	var recordErr error
	ears.Go(func() { recordErr = c.last.record(listening, c.source.ready.StationID, out) })
	ears.Go(func() { r.route = c.watch(listening) })

	toolDir := filepath.Join(dir, "tool")
	err = os.Mkdir(toolDir, 0o700)
	if err == nil {
		err = r.tool.Run(ctx, tools.Job{Format: r.format, File: file, Dir: toolDir,
			Server: tools.Server{Host: "127.0.0.1", Port: wire.port, Password: password, Mount: "/live"}})
	}
	if err == nil {
		err = out.drain(ctx)
	}
	stop()
	ears.Wait()
	reference = file
	if err == nil && r.tool.Encodes {
		reference = filepath.Join(dir, "wire"+r.format.Extension())
		err = wire.audio(reference)
	}
	return reference, recorded, errors.Join(err, recordErr)
}

// A meter writes to a file and knows when it last did.
type meter struct {
	file *os.File
	last atomic.Int64 // Unix time, ns
}

func (m *meter) Write(p []byte) (int, error) {
	m.last.Store(time.Now().UnixNano())
	return m.file.Write(p)
}

// drain returns after tail, when nothing has come for a while.
func (m *meter) drain(ctx context.Context) error {
	began := time.Now()
	return await(ctx, tailMax, "the end of the recording", func() bool {
		return time.Since(began) >= tail && time.Since(time.Unix(0, m.last.Load())) >= quiet
	})
}
