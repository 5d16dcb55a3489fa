// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"streamer/internal/daemon"
	"streamer/internal/identity"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"streamer": main})
}

// Every script runs the real program: nodes on loopback, files, pipes, signals.
func TestScripts(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "ffmpeg", "fish", "mpv", "zsh"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the scripts need %s (Debian package %s): %v", tool, tool, err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// Nothing of the user's, and no desktop.
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			env.Setenv("STREAMER_DATA_DIR", env.WorkDir+"/data")
			env.Setenv("STREAMER_LOG_LEVEL", "warn")
			env.Setenv("STREAMER_PORT", "0")
			env.Setenv("STREAMER_NO_LAN", "true") // nothing of a test leaves this machine
			env.Setenv("STREAMER_NO_DHT", "true")
			env.Setenv("STREAMER_NO_PORTMAP", "true")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    scriptExits,
			"ready":    scriptReady,
			"stranger": scriptStranger,
			"until":    scriptUntil,
			"partof":   scriptPartOf,
			"nosecret": scriptNoSecret,
		},
	})
}

// exits N ARG... runs streamer and compares its exit code.
func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec("streamer", args[1:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// until PATTERN ARG... runs streamer again and again until its standard output matches.
func scriptUntil(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[0])
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		if ts.Exec("streamer", args[1:]...) == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("standard output never matches %s", pattern)
		}
	}
}

// ready FILE PREFIX waits for a ready file and sets PREFIX_HTTP, PREFIX_PORT (that of HTTP), PREFIX_LINK (with the node's address on this machine, which
// may have no other), PREFIX_SOURCE, PREFIX_ID and PREFIX_UDP.
func scriptReady(ts *testscript.TestScript, _ bool, args []string) {
	path, prefix := ts.MkAbs(args[0]), args[1]
	var r daemon.Ready
	deadline := time.Now().Add(20 * time.Second)
	for {
		b, err := os.ReadFile(path)
		if err == nil {
			ts.Check(json.Unmarshal(b, &r))
			break
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no ready file: %v", err)
		}
		<-time.After(20 * time.Millisecond)
	}
	if r.Link != "" {
		link, err := identity.ParseLink(r.Link)
		ts.Check(err)
		link.Peers = []string{fmt.Sprintf("127.0.0.1:%d", r.UDP)}
		r.Link = link.String()
	}
	port := strings.TrimSuffix(r.HTTP[strings.LastIndexByte(r.HTTP, ':')+1:], "/")
	for name, value := range map[string]string{"HTTP": r.HTTP, "PORT": port, "LINK": r.Link, "SOURCE": r.Source, "ID": r.StationID, "UDP": strconv.Itoa(r.UDP)} {
		ts.Setenv(prefix+"_"+name, value)
	}
}

// partof WHOLE PART N [end]: the second file is a part of the first, without a byte altered, of at least N bytes; with
// end, it goes on to the end.
func scriptPartOf(ts *testscript.TestScript, _ bool, args []string) {
	whole, part := []byte(ts.ReadFile(args[0])), []byte(ts.ReadFile(args[1]))
	least, err := strconv.Atoi(args[2])
	ts.Check(err)
	if len(part) < least {
		ts.Fatalf("%s has %d bytes, want at least %d", args[1], len(part), least)
	}
	if !bytes.Contains(whole, part) || len(args) > 3 && !bytes.HasSuffix(whole, part) {
		ts.Fatalf("%s (%d bytes) is no part of %s (%d bytes)", args[1], len(part), args[0], len(whole))
	}
}

// nosecret KEYFILE TEXTFILE...: the texts do not show the seed in the key file.
func scriptNoSecret(ts *testscript.TestScript, _ bool, args []string) {
	var key struct{ Seed string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &key))
	if key.Seed == "" {
		ts.Fatalf("%s has no seed", args[0])
	}
	for _, name := range args[1:] {
		if bytes.Contains([]byte(ts.ReadFile(name)), []byte(key.Seed)) {
			ts.Fatalf("%s shows the secret", name)
		}
	}
}
