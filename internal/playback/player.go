// SPDX-License-Identifier: MIT

package playback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// playerLeave is how long a player may take to go after it was asked to.
const playerLeave = 2 * time.Second

// knownPlayers are what --player auto looks for, best first, each with what makes it play quietly and end with the stream.
func knownPlayers() [][]string {
	return [][]string{
		{"mpv", "--no-video", "--really-quiet"},
		{"cvlc", "--quiet", "--no-video", "--play-and-exit"},
		{"ffplay", "-nodisp", "-autoexit", "-loglevel", "error"},
		{"mplayer", "-really-quiet", "-novideo", "-noconsolecontrols"},
		{"mpg123", "-q"}, // MPEG audio only
	}
}

// A Player is a program that plays.
type Player struct {
	Command []string // program and arguments, without the address
	Piped   bool     // it reads the audio from its standard input
}

// errNoPlayer says what to do where --player auto finds nothing.
var errNoPlayer = errors.New("none of mpv, vlc, ffplay, mplayer and mpg123 is installed; install one, name yours with " +
	"--player COMMAND, or use --player none and open the page")

// FindPlayer reads what --player says. "auto" is the first player that is installed; "none" is nil; anything else is a
// command, split at spaces ('...' and "..." hold words together), which gets the address as its last argument, or, when
// its last word is "-", the audio on its standard input.
func FindPlayer(text string) (*Player, error) {
	words, err := splitWords(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read --player %q: %w", text, err)
	case len(words) == 0:
		return nil, errors.New("--player needs auto, none or a command")
	case text == "none":
		return nil, nil
	case text == "internal":
		return nil, errors.New("the internal player is not there yet; use --player auto, none or a command such as mpv")
	case text == "auto":
		for _, known := range knownPlayers() {
			if path, missing := exec.LookPath(known[0]); missing == nil {
				return &Player{Command: append([]string{path}, known[1:]...)}, nil
			}
		}
		return nil, errNoPlayer
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return nil, fmt.Errorf("find the player: %w", err)
	}
	words[0] = path
	return &Player{Command: words, Piped: len(words) > 1 && words[len(words)-1] == "-"}, nil
}

// Run plays until the player ends or ctx is done; then the player is asked to go, and killed when it does not. url is the
// address of the audio; audio is what a piped player reads, for example by CopyTo, and is not called for others. What the
// player prints goes to log.
func (p *Player) Run(ctx context.Context, url string, audio func(context.Context, io.Writer) error, log io.Writer) error {
	args := p.Command[1:]
	if !p.Piped {
		args = append(slices.Clip(args), url)
	}
	cmd := exec.CommandContext(ctx, p.Command[0], args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = playerLeave
	if !p.Piped {
		return p.ended(ctx, cmd.Run())
	}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("pipe to the player: %w", err)
	}
	if err = cmd.Start(); err != nil {
		return fmt.Errorf("start the player: %w", err)
	}
	playing, cancel := context.WithCancel(ctx)
	copied := make(chan struct{})
	go func() {
		_ = audio(playing, pipe) // what goes wrong here shows in how the player ends
		_ = pipe.Close()         // the player may have closed it
		close(copied)
	}()
	err = cmd.Wait()
	cancel()
	<-copied
	return p.ended(ctx, err)
}

// ended makes an error of how the player ended, unless it was asked to.
func (p *Player) ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("player %s: %w", p.Command[0], err)
	}
	return nil
}

// splitWords splits a command line at spaces; quotes of both kinds hold words together, and nothing is expanded.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	inside, quote := false, rune(0)
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			inside, quote = true, r
		case r == ' ' || r == '\t':
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
		default:
			inside = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a %c is not closed", quote)
	}
	if inside {
		words = append(words, word.String())
	}
	return words, nil
}
