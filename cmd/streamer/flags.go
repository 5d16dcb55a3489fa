// SPDX-License-Identifier: MIT

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"streamer/internal/codec"
	"streamer/internal/daemon"
)

// Where a node listens unless it is told otherwise.
const (
	defaultHTTP   = "127.0.0.1:8467"
	defaultSource = "127.0.0.1:8000"
)

// globalFlags are known to every command.
type globalFlags struct {
	Config    kong.ConfigFlag `placeholder:"FILE" help:"Read settings from a TOML file as well."`
	DataDir   string          `placeholder:"DIR" help:"Where keys and settings are kept."`
	LogLevel  *slog.Level     `placeholder:"LEVEL" help:"debug, info, warn or error. The default is info, for demo warn."`
	LogFormat string          `enum:"text,json" default:"text" placeholder:"FORMAT" help:"text or json."`
}

// logger writes to standard error what is at least as important as --log-level says or, without it, usual.
func (g *globalFlags) logger(p *program, usual slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: usual}
	if g.LogLevel != nil {
		options.Level = *g.LogLevel
	}
	if g.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(p.stderr, options))
	}
	options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Value = slog.StringValue(a.Value.Time().Format("15:04:05.000"))
		}
		return a
	}
	return slog.New(slog.NewTextHandler(p.stderr, options))
}

// dataDir is where keys are kept.
func (g *globalFlags) dataDir() (string, error) {
	if g.DataDir != "" {
		return g.DataDir, nil
	}
	return daemon.DefaultDataDir()
}

// clientFlags are those of commands that talk to the running node.
type clientFlags struct {
	HTTP         string `name:"http" default:"${http}" placeholder:"HOST:PORT" help:"Where the running node's page is (${default})."`
	HTTPPassword string `name:"http-password" placeholder:"PASSWORD" help:"The password of its page, where it has one that is not kept on this machine."`
}

// client makes a client of the running node. Close it.
func (f *clientFlags) client(g *globalFlags) *daemon.Client {
	return newClient(f.HTTP, f.HTTPPassword, g)
}

// newClient makes a client of the node at addr. Without a password it shows the one that is kept here, to a node on this
// machine only. Close it.
func newClient(addr, password string, g *globalFlags) *daemon.Client {
	c := daemon.NewClient(addr)
	if password == "" && daemon.OnThisMachine(addr) {
		if dir, err := g.dataDir(); err == nil {
			password, _ = daemon.KeptPassword(dir) // without one, the node says what it wants
		}
	}
	c.UsePassword(password)
	return c
}

// nodeFlags are those of commands that run a node.
type nodeFlags struct {
	Port         int      `default:"8466" placeholder:"PORT" help:"UDP port (${default}); 0 is any free one."`
	HTTP         string   `name:"http" default:"${http}" placeholder:"HOST:PORT" help:"Address of the page, the players and the API (${default})."`
	HTTPPassword string   `name:"http-password" placeholder:"PASSWORD" help:"What the page, the players and the API are opened with, by any user name. Without it, one is made, kept and shown when --http is open to other machines."`
	Seed         []string `placeholder:"HOST:PORT" help:"Hosts to start from. Repeatable."`
	Upload       rate     `default:"auto" placeholder:"RATE" help:"At most so much upload, in bit/s, like 512k or 2M; 0 gives nothing; auto (the default) measures."`
	NoLAN        bool     `name:"no-lan" help:"Do not look for nodes on the local network, and do not be found there."`
	NoCarry      bool     `name:"no-carry" help:"Never relay a station for those who reach nobody else that has it."`
	NoGossip     bool     `name:"no-gossip" help:"Neither ask others for hosts and stations nor tell them of any: know links and their peers only."`
	NoDHT        bool     `name:"no-dht" help:"Do not use the BitTorrent DHT to find hosts when nobody else is known, nor to announce your station."`
	NoPortmap    bool     `name:"no-portmap" help:"Do not ask the router for a port."`
	NoOpen       bool     `name:"no-open" help:"Do not open a browser."`
	ReadyFile    string   `placeholder:"PATH" help:"Write a JSON object with all addresses there once the node serves."`
	Announce     []string `placeholder:"HOST:PORT" help:"Addresses of this node in the links of its station, instead of those of this machine. Repeatable."`
	Record       string   `hidden:"" placeholder:"FILE" help:"Record every call of the core, SECRETS INCLUDED, for replay."`

	Source         string `default:"" placeholder:"HOST:PORT" help:"Source port for broadcast tools (for broadcast ${source}; run opens one only when this is given)."`
	SourcePassword string `placeholder:"PASSWORD" help:"What broadcast tools log in with. Without it, one is made, kept and shown."`
	Name           string `placeholder:"TEXT" help:"Name of your station."`
	Genre          string `placeholder:"TEXT" help:"Genre of your station."`
	URL            string `name:"url" placeholder:"URL" help:"Web page of your station."`
	Description    string `placeholder:"TEXT" help:"Description of your station."`
}

// Validate checks what kong cannot.
func (f *nodeFlags) Validate() error {
	if f.Port < 0 || f.Port > 65535 {
		return fmt.Errorf("--port %d: ports are 0 to 65535", f.Port)
	}
	return nil
}

// options makes the part of a daemon's options that the flags say.
func (f *nodeFlags) options(p *program, g *globalFlags) daemon.Options {
	return daemon.Options{
		DataDir: g.DataDir, Port: f.Port, HTTP: f.HTTP, HTTPPassword: f.HTTPPassword, UploadBPS: int64(f.Upload), Seeds: f.Seed, LAN: !f.NoLAN, DHT: !f.NoDHT, NoGossip: f.NoGossip,
		NoCarry: f.NoCarry,
		Portmap: !f.NoPortmap,
		Version: versionText(), Announce: f.Announce, ReadyFile: f.ReadyFile, Record: f.Record, Log: g.logger(p, slog.LevelInfo),
	}
}

// info is what the flags say of the station.
func (f *nodeFlags) info() codec.Event {
	return codec.Event{StationName: f.Name, Genre: f.Genre, URL: f.URL, Description: f.Description}
}

// passwordFile keeps the source password that was made for want of --source-password.
const passwordFile = "source-password"

// sourcePassword is what --source-password says or, without it, what was made when it was first asked for.
func (f *nodeFlags) sourcePassword(g *globalFlags) (password string, made bool, err error) {
	if f.SourcePassword != "" {
		return f.SourcePassword, false, nil
	}
	dir, err := g.dataDir()
	if err != nil {
		return "", false, err
	}
	path := filepath.Join(dir, passwordFile)
	kept, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		password = strings.ToLower(rand.Text()[:12])
		if err = os.MkdirAll(dir, 0o700); err != nil {
			return "", false, err
		}
		return password, true, os.WriteFile(path, []byte(password+"\n"), 0o600)
	}
	if err != nil {
		return "", false, err
	}
	if password = strings.TrimSpace(string(kept)); password == "" || len(kept) > 256 {
		return "", false, fmt.Errorf("%s holds no password: remove it, or use --source-password", path)
	}
	return password, true, nil
}
