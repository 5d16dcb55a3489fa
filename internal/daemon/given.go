// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/web"
	"streamer/internal/wire"
)

// givenFile is the name of the file in the data directory that says how much was given to others.
const givenFile = "given.json"

const (
	givenLook = 10 * time.Second // so exactly midnight is met
	givenSave = 5 * time.Minute
)

// A keptGiven is that file: of all runs, in bytes on the wire.
type keptGiven struct {
	Day   string `json:"day"` // of the machine's own calendar, 2006-01-02
	Today uint64 `json:"day_bytes"`
	Total uint64 `json:"total_bytes"`
}

// add counts bytes that were given on a day.
func (k *keptGiven) add(day string, bytes uint64) {
	if k.Day != day {
		k.Day, k.Today = day, 0
	}
	k.Today += bytes
	k.Total += bytes
}

// given counts what this node sent to others of stations, over all runs.
type given struct {
	loop *loop
	log  *slog.Logger
	path string // "": nothing is kept

	mu      sync.Mutex
	kept    keptGiven // of this and earlier runs
	unsaved keptGiven // of it, what the file does not have; its Day is when the last of it was
	session uint64
}

// newGiven reads what earlier runs gave. A damaged file is left as it is, and this run keeps nothing.
func newGiven(l *loop, o *Options, log *slog.Logger) *given {
	g := &given{loop: l, log: log}
	dir, err := o.dataDir()
	if err == nil {
		g.path = filepath.Join(dir, givenFile)
		g.kept, err = readGiven(g.path)
	}
	if err != nil {
		g.path = ""
		log.Warn("what was given is neither remembered nor kept", keyError, err)
	}
	return g
}

// readGiven reads the file; that there is none is no error.
func readGiven(path string) (kept keptGiven, err error) {
	b, err := readFileBounded(path, settingsBytesMax)
	if errors.Is(err, fs.ErrNotExist) {
		return keptGiven{}, nil
	}
	if err != nil {
		return keptGiven{}, err
	}
	if err := json.Unmarshal(b, &kept); err != nil {
		return keptGiven{}, fmt.Errorf("%s: %w (remove it, and counting begins anew)", path, err)
	}
	return kept, nil
}

// run ends with ctx, and keeps what is known then.
func (g *given) run(ctx context.Context) {
	tick := time.NewTicker(givenLook)
	defer tick.Stop()
	saved := time.Now()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
			defer cancel()
			g.look(end)
			g.save()
			return
		case <-tick.C:
			if g.look(ctx); time.Since(saved) >= givenSave {
				g.save()
				saved = time.Now()
			}
		}
	}
}

func (g *given) look(ctx context.Context) {
	var s node.Status
	if g.loop.ask(ctx, func(n *node.Node, now mono.Time) { s = n.Status(now) }) == nil {
		g.count(givenBytes(&s), time.Now())
	}
}

// givenBytes is what the node sent to others of stations since it was made.
func givenBytes(s *node.Status) uint64 {
	out := &s.Counters.Links.Out
	return out[wire.KindChunk].Bytes + out[wire.KindManifest].Bytes
}

// count notes what the node gave by now, and returns all counts.
func (g *given) count(session uint64, now time.Time) web.Given {
	day := now.Format(time.DateOnly)
	g.mu.Lock()
	defer g.mu.Unlock()
	more := session - min(g.session, session) // two that ask at once may come in another order
	g.session += more
	g.kept.add(day, more)
	g.unsaved.add(day, more)
	return web.Given{Session: g.session, Today: g.kept.Today, Total: g.kept.Total}
}

// save adds what is new to what the file says by now: nodes may share a data directory.
func (g *given) save() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.path == "" || g.unsaved.Total == 0 {
		return
	}
	kept, err := readGiven(g.path)
	if err == nil {
		total := g.unsaved.Total
		kept.add(g.unsaved.Day, g.unsaved.Today)
		kept.Total += total - g.unsaved.Today
		var b []byte
		if b, err = json.Marshal(kept); err == nil {
			err = makePrivateDir(filepath.Dir(g.path))
		}
		if err == nil {
			err = writeFileAtomic(g.path, append(b, '\n'), 0o600, true)
		}
	}
	if err != nil {
		g.log.Warn("what was given is not saved", keyError, err)
		return
	}
	g.kept, g.unsaved = kept, keptGiven{}
}
