// SPDX-License-Identifier: MIT

// Command streamer is peer-to-peer internet radio: broadcaster, listener, relay and simulator in one binary.
//
// This package reads flags, environment and configuration file, wires internal packages together and turns errors into
// one line, a hint and an exit code: 0 done, 1 failed, 2 usage, 130 interrupted twice. It holds no logic of the network.
// Every command owns its struct of flags; what all share is the program, which nobody changes after main made it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"
)

// Exit codes beside 0.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // a second Ctrl-C: quit without a farewell
)

// A program is what the commands share: streams of the process, and a context that ends when people want it to end.
type program struct {
	ctx    context.Context //nolint:containedctx // it is the process's own
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// commands is the command line: design section 5.
type commands struct {
	globalFlags

	Run       runCmd       `cmd:"" default:"withargs" help:"Run a node and open its page. The default."`
	Demo      demoCmd      `cmd:"" help:"A small real network on this machine: a station playing bundled music, relays, a listener."`
	Broadcast broadcastCmd `cmd:"" help:"Put a station on the air: files, folders, playlists, streams, - for standard input; without any, what a broadcast tool sends to the source port."`
	Listen    listenCmd    `cmd:"" help:"Tune in."`
	Relay     relayCmd     `cmd:"" help:"Help stations without listening."`
	Stations  stationsCmd  `cmd:"" help:"Show the stations that the running node knows."`
	Status    statusCmd    `cmd:"" help:"Show how the running node is: peers, buffer, rates."`
	Check     checkCmd     `cmd:"" help:"Say how others reach the running node, and what to do about it."`
	Stop      stopCmd      `cmd:"" help:"Ask the running node to leave politely."`
	Open      openCmd      `cmd:"" help:"Hand a link to the running node, or start one: what the URL scheme calls."`
	Install   installCmd   `cmd:"" help:"Have this desktop open streamerp2p: links with this program, and show it in the menu."`
	Uninstall uninstallCmd `cmd:"" help:"Take back all that install did."`
	Station   stationCmd   `cmd:"" help:"Keys and settings of stations of your own."`
	Sim       simCmd       `cmd:"" help:"Run the simulator."`
	Version   versionCmd   `cmd:"" help:"Print the version, or the licences of what is in this program."`

	Completion completionCmd `cmd:"" help:"Print a script that completes commands, flags and stations in bash, zsh or fish."`
	Complete   completeCmd   `cmd:"" hidden:"" help:"Complete a command line, for those scripts."`
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := untilInterrupted(context.Background(), os.Stderr)
	defer stop()
	p := &program{ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	var c commands
	parser, err := kong.New(&c,
		kong.Name("streamer"),
		kong.Description("Peer-to-peer internet radio. Listeners relay to listeners: no server, no bill."),
		kong.DefaultEnvars("STREAMER"),
		kong.Configuration(loadTOML, defaultConfigPaths()...),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Vars{"http": defaultHTTP, "source": defaultSource},
		kong.Bind(p, &c.globalFlags),
	)
	if err != nil {
		return report(p.stderr, err)
	}
	command, err := parser.Parse(args)
	if err != nil {
		return report(p.stderr, usageError{err})
	}
	return report(p.stderr, command.Run())
}

// defaultConfigPaths is where a configuration file is looked for when --config names none.
func defaultConfigPaths() []string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil
	}
	return []string{filepath.Join(dir, "streamer", "config.toml")}
}

// A usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// A hintedError says what to do about itself.
type hintedError struct {
	error
	hint string
}

func (e hintedError) Unwrap() error { return e.error }

// withHint adds what to do to an error.
func withHint(err error, format string, args ...any) error {
	return hintedError{err, fmt.Sprintf(format, args...)}
}

// report prints an error as one line and, where there is one, a hint; it returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(w, "streamer:", oneLine(err.Error()))
	usage, isUsage := errors.AsType[usageError](err)
	if hint, ok := errors.AsType[hintedError](err); ok {
		fmt.Fprintln(w, " ", hint.hint)
	} else if isUsage {
		fmt.Fprintln(w, " ", helpHint(usage))
	}
	if isUsage {
		return exitUsage
	}
	return exitFailed
}

// helpHint names the help page that fits a mistake.
func helpHint(err usageError) string {
	command := "streamer"
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil && node.Name != "run" {
			command = node.FullPath()
		}
	}
	return fmt.Sprintf("try `%s --help`", command)
}

// oneLine joins the lines of joined errors.
func oneLine(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] == '\n' {
			out = append(out, ';', ' ')
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}
