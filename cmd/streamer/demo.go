// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"streamer/internal/codec"
	"streamer/internal/daemon"
	"streamer/internal/demo"
	"streamer/internal/identity"
)

// demoPeriod is how often the demo looks at its nodes.
const demoPeriod = 250 * time.Millisecond

// stationUploadBPS lets the demo's station feed two others, so that the third needs the relays.
const stationUploadBPS = 240_000

type demoCmd struct {
	HTTP      string `name:"http" default:"127.0.0.1:0" env:"-" placeholder:"HOST:PORT" help:"Address of the listener's page; port 0 (the default) is any free one."`
	Upload    rate   `default:"auto" placeholder:"RATE" help:"At most so much upload for each node."`
	ReadyFile string `placeholder:"PATH" help:"Write a JSON object with the listener's addresses there once all nodes serve."`
}

// Run runs the demo.
func (c *demoCmd) Run(p *program, g *globalFlags) error {
	dir, err := os.MkdirTemp("", "streamer-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d := &demoNetwork{p: p, dir: dir, base: daemon.Options{UploadBPS: int64(c.Upload), Version: versionText(), Log: g.logger(p, slog.LevelWarn)}}
	defer d.stop()
	if err := d.start(c.HTTP); err != nil {
		return err
	}
	if c.ReadyFile != "" {
		if err := writeReady(c.ReadyFile, d.ready()); err != nil {
			return err
		}
	}
	return d.watch()
}

// A demoNetwork is the demo's nodes: station, relays, listener, in this order.
type demoNetwork struct {
	p     *program
	dir   string
	base  daemon.Options
	nodes []*demoNode
	link  identity.Link
}

// A demoNode is one of them, running.
type demoNode struct {
	name   string
	daemon *daemon.Daemon
	client *daemon.Client
	ended  chan struct{}
	err    error // valid after ended
}

// start starts all nodes, each with the addresses of those before it that it is told of.
func (d *demoNetwork) start(listenerHTTP string) error {
	d.say("A radio station, two relays and a listener: four real nodes, all on this machine.\n")
	music := filepath.Join(d.dir, demo.FileName)
	if err := os.WriteFile(music, demo.Music(), 0o600); err != nil {
		return err
	}
	station, err := d.add("station", "plays the bundled music in a loop, with upload for two", func(o *daemon.Options) {
		if c := &o.UploadBPS; *c < 0 || *c > stationUploadBPS {
			*c = stationUploadBPS
		}
		o.Broadcast = &daemon.BroadcastOptions{Inputs: []string{music}, Info: codec.Event{StationName: "Streamer demo"}}
	})
	if err != nil {
		return err
	}
	if d.link, err = identity.ParseLink(station.daemon.Ready().Link); err != nil {
		return err
	}
	relays := make([]*demoNode, 2)
	for i := range relays {
		relays[i], err = d.add(fmt.Sprintf("relay %d", i+1), "helps without listening", func(o *daemon.Options) {
			o.Relay = []identity.Link{d.linkVia(station)}
		})
		if err != nil {
			return err
		}
	}
	_, err = d.add("listener", "knows only the relays", func(o *daemon.Options) {
		o.HTTP = listenerHTTP
		o.Listen = []identity.Link{d.linkVia(relays...)}
	})
	return err
}

// linkVia is the station's link with some nodes as the peers to ask first.
func (d *demoNetwork) linkVia(nodes ...*demoNode) identity.Link {
	link := identity.Link{Station: d.link.Station, Name: d.link.Name}
	for _, n := range nodes {
		link.Peers = append(link.Peers, fmt.Sprintf("127.0.0.1:%d", n.daemon.Ready().UDP))
	}
	return link
}

// add starts a node.
func (d *demoNetwork) add(name, what string, with func(*daemon.Options)) (*demoNode, error) {
	opts := d.base
	opts.DataDir = filepath.Join(d.dir, strings.ReplaceAll(name, " ", "-"))
	opts.HTTP = "127.0.0.1:0"
	opts.Log = opts.Log.With("node", name)
	serving := make(chan struct{})
	opts.OnReady = func(daemon.Ready) { close(serving) }
	with(&opts)
	node, err := daemon.New(opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n := &demoNode{name: name, daemon: node, client: daemon.NewClient(node.Ready().HTTP), ended: make(chan struct{})}
	n.client.UsePassword(node.Ready().Password)
	go func() {
		defer close(n.ended)
		n.err = node.Run(context.WithoutCancel(d.p.ctx))
	}()
	d.nodes = append(d.nodes, n)
	select {
	case <-serving:
	case <-n.ended:
		return nil, fmt.Errorf("%s: %w", name, cmp.Or(n.err, errors.New("it ended at once")))
	}
	d.say("%-9s 127.0.0.1:%-6d %s", name, node.Ready().UDP, what)
	return n, nil
}

// stop lets every node leave politely, the listener first.
func (d *demoNetwork) stop() {
	var all sync.WaitGroup
	for _, n := range d.nodes {
		all.Go(func() {
			n.daemon.Stop()
			<-n.ended
			n.client.Close()
		})
	}
	all.Wait()
}

// ready is the listener's, with the station's link.
func (d *demoNetwork) ready() daemon.Ready {
	listener := d.nodes[len(d.nodes)-1].daemon.Ready()
	listener.Link, listener.StationID = d.linkVia(d.nodes[0]).String(), d.link.Station.String()
	return listener
}

// watch says how to listen, and then who feeds whom whenever that changes, until the user has enough.
func (d *demoNetwork) watch() error {
	r := d.ready()
	listen := r.HTTP + "listen/" + r.StationID
	d.say("")
	printReady(d.p.stdout, r)
	d.say("\nhear it:  mpv %s\nor open   %s\nCtrl-C ends it.\n", listen, listen)
	begun := time.Now()
	live := isTerminal(d.p.stdout)
	var feeding string
	tick := time.NewTicker(demoPeriod)
	defer tick.Stop()
	for {
		for _, n := range d.nodes {
			select {
			case <-n.ended:
				return fmt.Errorf("%s: %w", n.name, cmp.Or(n.err, errors.New("it ended by itself")))
			default:
			}
		}
		statuses := d.statuses()
		if now := feeds(d.nodes, statuses); now != "" && now != feeding {
			feeding = now
			d.clearLine(live)
			d.say("%6.1f s  %s", time.Since(begun).Seconds(), feeding)
		}
		if live {
			d.showLine(demoLine(statuses[len(statuses)-1]))
		}
		select {
		case <-tick.C:
		case <-d.p.ctx.Done():
			d.clearLine(live)
			return nil
		}
	}
}

// statuses asks every node; one that does not answer has a zero status.
func (d *demoNetwork) statuses() []daemon.Status {
	list := make([]daemon.Status, len(d.nodes))
	for i, n := range d.nodes {
		if s, err := n.client.Status(d.p.ctx); err == nil {
			list[i] = s
		}
	}
	return list
}

func (d *demoNetwork) say(format string, args ...any) { fmt.Fprintf(d.p.stdout, format+"\n", args...) }

// showLine replaces the live line, cut to the terminal's width: a line that wraps cannot be replaced.
func (d *demoNetwork) showLine(line string) {
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if runes := []rune(line); err == nil && len(runes) >= width && width > 0 {
		line = string(runes[:width-1])
	}
	fmt.Fprintf(d.p.stdout, "\r\x1b[K%s", line)
}

func (d *demoNetwork) clearLine(live bool) {
	if live {
		fmt.Fprint(d.p.stdout, "\r\x1b[K")
	}
}

// feeds says who feeds whom: "" until anybody is fed.
func feeds(nodes []*demoNode, statuses []daemon.Status) string {
	names := map[string]string{}
	for i, s := range statuses {
		names[s.NodeID] = nodes[i].name
	}
	var lines []string
	for i, s := range statuses {
		for _, tuned := range s.Tuned {
			var from []string
			for _, parent := range tuned.Parents {
				from = append(from, cmp.Or(names[parent.NodeID], parent.Addr))
			}
			if len(from) > 0 {
				lines = append(lines, strings.Join(from, " and ")+" -> "+nodes[i].name)
			}
		}
	}
	return strings.Join(lines, ", ")
}

// demoLine is the listener's state in one line.
func demoLine(s daemon.Status) string {
	if len(s.Tuned) == 0 {
		return "waiting for the first audio"
	}
	t := s.Tuned[0]
	return fmt.Sprintf("%s | listener: %s, %d chunks, %d repaired, %d missing",
		cmp.Or(t.Title, "waiting"), place(t), t.Chunks.Received, t.Chunks.Repaired, t.Chunks.Missing)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// writeReady writes a ready file whole or not at all.
func writeReady(path string, r daemon.Ready) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
