// SPDX-License-Identifier: MIT

package playback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	Opens   bool     // it takes a playlist to the system's own player, and ends at once
}

// playlistBytesMax is the longest playlist that is read; ours have a few hundred bytes.
const playlistBytesMax = 64 << 10

// ErrNoPlayer says what to do where --player auto finds nothing.
var ErrNoPlayer = errors.New("none of mpv, vlc, ffplay, mplayer and mpg123 is installed, and there is no desktop with a player; " +
	"install one, name yours with --player COMMAND, or use --player none and open the page")

// FindPlayer reads what --player says. "auto" is the first player that is installed or else the system's own, and ErrNoPlayer
// where there is none; "none" is nil; anything else is a command, split at spaces ('...' and "..." hold words together), which gets the address as its last argument, or, when
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
	case text == "auto":
		for _, known := range knownPlayers() {
			if path, missing := exec.LookPath(known[0]); missing == nil {
				return &Player{Command: append([]string{path}, known[1:]...)}, nil
			}
		}
		return systemPlayer()
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return nil, fmt.Errorf("find the player: %w", err)
	}
	words[0] = path
	return &Player{Command: words, Piped: len(words) > 1 && words[len(words)-1] == "-"}, nil
}

// Pipe has a player that is known to be able to do so read the audio from its standard input; others get the address still.
// It is for an address that wants a password, which others would see on a command line.
func (p *Player) Pipe() {
	name := strings.TrimSuffix(filepath.Base(p.Command[0]), ".exe")
	reads := slices.ContainsFunc(knownPlayers(), func(known []string) bool { return known[0] == name })
	if reads && !p.Piped {
		p.Command, p.Piped = append(slices.Clip(p.Command), "-"), true
	}
}

// systemPlayer is what opens a playlist as if somebody had double-clicked it.
func systemPlayer() (*Player, error) {
	command := []string{"xdg-open"}
	switch runtime.GOOS {
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler"}
	case "darwin":
		command = []string{"open"}
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return nil, ErrNoPlayer
		}
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, ErrNoPlayer
	}
	command[0] = path
	return &Player{Command: command, Opens: true}, nil
}

// Run plays until the player ends or ctx is done; then the player is asked to go, and killed when it does not. url is the
// address of the audio; audio is what a piped player reads, for example by CopyTo, and is not called for others. What the
// player prints goes to log.
func (p *Player) Run(ctx context.Context, url string, audio func(context.Context, io.Writer) error, log io.Writer) error {
	if p.Opens {
		return p.open(ctx, url, log)
	}
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

// open gives the playlist of url to the system's player and waits for ctx: nobody tells how that player fares. A browser
// would come if it were given the address, so it is a file.
func (p *Player) open(ctx context.Context, url string, log io.Writer) error {
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, url+".pls", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(ask)
	if err != nil {
		return fmt.Errorf("get the playlist: %w", err)
	}
	list, err := io.ReadAll(io.LimitReader(answer.Body, playlistBytesMax))
	if err = errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != http.StatusOK {
		return errors.Join(fmt.Errorf("get the playlist: %s", answer.Status), err)
	}
	dir, err := os.MkdirTemp("", "streamer")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a small file stays behind at worst
	file := filepath.Join(dir, "station.pls")
	if err = os.WriteFile(file, list, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, p.Command[0], append(slices.Clip(p.Command[1:]), file)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err = p.ended(ctx, cmd.Run()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
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
