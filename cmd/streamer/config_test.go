// SPDX-License-Identifier: MIT

package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// parse runs kong with a configuration and arguments and returns the commands it filled.
func parse(t *testing.T, config string, args ...string) (*commands, error) {
	t.Helper()
	c, err := parseConfig("config.toml", []byte(config))
	if err != nil {
		return nil, err
	}
	var cmds commands
	parser, err := kong.New(&cmds, kong.DefaultEnvars("STREAMER"), kong.Vars{"http": defaultHTTP, "source": defaultSource},
		kong.Resolvers(c))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	return &cmds, err
}

func TestConfigPrecedence(t *testing.T) {
	const config = `
port = 7000
upload = "1M"
seed = ["a.example:1", "b.example:2"]
no-open = true

[broadcast]
port = 7001
mount = "/live"
`
	c, err := parse(t, config, "broadcast")
	if err != nil {
		t.Fatal(err)
	}
	b := c.Broadcast
	if b.Port != 7001 || b.Mount != "/live" || b.Upload != 1e6 || len(b.Seed) != 2 || !b.NoOpen {
		t.Errorf("got port %d, mount %q, upload %v, seeds %v, no-open %v", b.Port, b.Mount, b.Upload, b.Seed, b.NoOpen)
	}
	if c, err = parse(t, config, "relay", "x"); err != nil || c.Relay.Port != 7000 {
		t.Errorf("got port %d, %v; want 7000: another command's table must not hold", c.Relay.Port, err)
	}
	// The simulator's seed is a number.
	t.Setenv("STREAMER_SEED", "c.example:3")
	if c, err = parse(t, config, "sim"); err != nil || c.Sim.Seed[0] != 1 {
		t.Errorf("got seed %d, %v; want the simulator's own", c.Sim.Seed, err)
	}
	t.Setenv("STREAMER_PORT", "7002")
	if c, err = parse(t, config, "broadcast"); err != nil || c.Broadcast.Port != 7002 {
		t.Errorf("got port %d, %v; want the environment's 7002", c.Broadcast.Port, err)
	}
	if c, err = parse(t, config, "broadcast", "--port", "7003"); err != nil || c.Broadcast.Port != 7003 {
		t.Errorf("got port %d, %v; want the command line's 7003", c.Broadcast.Port, err)
	}
}

func TestConfigMistakes(t *testing.T) {
	for _, tt := range []struct{ config, want string }{
		{"prot = 1", `no setting "prot"`},
		{"[broadcast]\nplayer = 'mpv'", `[broadcast] has no setting "player"`},
		{"[brodcast]\nmount = '/x'", "no command for the table [brodcast]"},
		{"help = true", `no setting "help"`},
		{"config = 'x'", `no setting "config"`},
		{"upload = 'fast'", `rate "fast"`},
		{"port = 'x'", "port"},
		{"port = ", "line 1"},
	} {
		_, err := parse(t, tt.config, "run")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("config %q: got %v, want %q in it", tt.config, err, tt.want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("port = 1\n[broadcast]\nmount = '/x'"))
	f.Add([]byte("a = {b = [1, 2.5, 1979-05-27]}\n[[c]]\n[c.d]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseConfig("config.toml", b)
		if err != nil {
			if !utf8.ValidString(err.Error()) && utf8.Valid(b) {
				t.Fatalf("the error is not text: %q", err)
			}
			return
		}
		var cmds commands
		parser, err := kong.New(&cmds, kong.Vars{"http": defaultHTTP, "source": defaultSource}, kong.Resolvers(c))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = parser.Parse([]string{"broadcast"}) // must not panic, whatever the values are
	})
}
