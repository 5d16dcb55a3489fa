// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"streamer/internal/daemon"
)

type stationsCmd struct {
	Words []string `arg:"" optional:"" help:"Only stations that have all these words in their name, genre, description or title."`
	Genre string   `placeholder:"TEXT" help:"Only stations with this in their genre."`
	Codec string   `placeholder:"NAME" help:"Only stations with this codec: mp3, aac, vorbis, opus, flac, webm."`
	Once  bool     `help:"Print the table once, instead of keeping it up to date on a terminal."`
	clientFlags
	jsonFlags
}

// tableEvery is how often the table on a terminal is made anew.
const tableEvery = time.Second

// Run shows the stations that the running node knows.
func (c *stationsCmd) Run(p *program, g *globalFlags) error {
	client := c.client(g)
	defer client.Close()
	if c.JSON {
		list, err := client.Stations(p.ctx)
		if err != nil {
			return err
		}
		return printJSON(p.stdout, c.matching(list))
	}
	out, onTerminal := p.stdout.(*os.File)
	if c.Once || !onTerminal || !term.IsTerminal(int(out.Fd())) {
		list, err := client.Stations(p.ctx)
		if err != nil {
			return err
		}
		return c.print(p.stdout, list, 0)
	}
	return c.watch(p.ctx, out, client)
}

// watch keeps the table up to date in its place, until ctx ends.
func (c *stationsCmd) watch(ctx context.Context, out *os.File, client *daemon.Client) error {
	tick := time.NewTicker(tableEvery)
	defer tick.Stop()
	lines := 0
	for {
		list, err := client.Stations(ctx)
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		width, height, err := term.GetSize(int(out.Fd()))
		if err != nil {
			return fmt.Errorf("size of the terminal: %w", err)
		}
		var table bytes.Buffer
		if err = c.print(&table, list, width); err != nil {
			return err
		}
		rows := strings.SplitAfter(strings.TrimSuffix(table.String(), "\n"), "\n")
		rows = rows[:min(len(rows), max(1, height-1))]
		text := strings.TrimSuffix(strings.Join(rows, ""), "\n") + "\n"
		back := ""
		if lines > 0 {
			back = fmt.Sprintf("\x1b[%dA\x1b[J", lines) // up, and clear to the end (ECMA-48)
		}
		if _, err = io.WriteString(out, back+text); err != nil {
			return err
		}
		lines = len(rows)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// matching are the stations that were asked for.
func (c *stationsCmd) matching(list []daemon.StationInfo) []daemon.StationInfo {
	found := make([]daemon.StationInfo, 0, len(list))
	for _, s := range list {
		if c.matches(&s) {
			found = append(found, s)
		}
	}
	return found
}

func (c *stationsCmd) matches(s *daemon.StationInfo) bool {
	all := strings.ToLower(strings.Join([]string{s.Name, s.Genre, s.Description, s.Title}, "\n"))
	for _, w := range c.Words {
		if !strings.Contains(all, strings.ToLower(w)) {
			return false
		}
	}
	return strings.Contains(strings.ToLower(s.Genre), strings.ToLower(c.Genre)) && (c.Codec == "" || strings.EqualFold(s.Codec, c.Codec))
}

// errNothingMatches says that there are stations, but none of those that were asked for.
var errNothingMatches = errors.New("no station matches")

// print writes the table; with a width no line is longer.
func (c *stationsCmd) print(w io.Writer, list []daemon.StationInfo, width int) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "the node knows no stations yet: --seed HOST:PORT names a host to start from")
		return err
	}
	list = c.matching(list)
	if len(list) == 0 {
		return errNothingMatches
	}
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "LISTENERS\tNAME\tGENRE\tCODEC\tRATE\tTITLE\tON AIR\tID")
	for i := range list {
		s := &list[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", listeners(s), clip(s.Name, 32), clip(s.Genre, 16), s.Codec,
			bitRate(s.BitrateBPS), clip(s.Title, 48), onAir(s), short(s.ID))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(table.String()) {
		line = strings.TrimRight(line, " \n")
		if width > 0 {
			line = clip(line, width)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// listeners are those that the node knows of and, when there may be more, the estimate of all.
func listeners(s *daemon.StationInfo) string {
	if s.Audience > s.Listeners {
		return fmt.Sprintf("%d of ~%d", s.Listeners, s.Audience)
	}
	return fmt.Sprint(s.Listeners)
}

// onAir says whether a station is on the air, or when it was.
func onAir(s *daemon.StationInfo) string {
	switch {
	case s.Online:
		return "yes"
	case s.LastAliveS == nil:
		return "no"
	}
	return "no, " + (time.Duration(*s.LastAliveS) * time.Second).Round(time.Second).String() + " ago"
}

// clip cuts a text to a number of characters, and leaves out what would move a terminal's cursor.
func clip(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
	if r := []rune(s); len(r) > most {
		return string(r[:max(0, most-1)]) + "…"
	}
	return s
}
