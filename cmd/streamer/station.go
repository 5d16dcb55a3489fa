// SPDX-License-Identifier: MIT

package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"streamer/internal/codec"
	"streamer/internal/daemon"
)

// stationCmd holds the commands for stations of one's own.
type stationCmd struct {
	New    stationNewCmd    `cmd:"" help:"Make a station: a key that nobody else has, and what it is called."`
	List   stationListCmd   `cmd:"" help:"List stations."`
	Show   stationShowCmd   `cmd:"" help:"Show a station, never its secret."`
	Export stationExportCmd `cmd:"" help:"Write a station, sealed with a passphrase, to move it or keep it safe."`
	Import stationImportCmd `cmd:"" help:"Add an exported station."`
}

// stationView is a station as it is shown.
type stationView struct {
	Key         string `json:"key"` // its name in the data directory
	ID          string `json:"id"`
	Name        string `json:"name"`
	Genre       string `json:"genre"`
	Description string `json:"description"`
	URL         string `json:"url"`
	Link        string `json:"link"`
}

func viewStation(st daemon.Station) stationView {
	return stationView{
		Key: st.Name, ID: st.Key.ID().String(), Name: st.Info.StationName, Genre: st.Info.Genre,
		Description: st.Info.Description, URL: st.Info.URL, Link: st.Link(nil).String(),
	}
}

func (v stationView) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"key", v.Key},
		{"id", v.ID},
		{"name", v.Name},
		{"genre", v.Genre},
		{"description", v.Description},
		{"url", v.URL},
		{"link", v.Link},
	} {
		if row[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
		}
	}
	return t.Flush()
}

// jsonFlags are those of commands that can answer in JSON.
type jsonFlags struct {
	JSON bool `name:"json" help:"Answer in JSON."`
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

type stationNewCmd struct {
	Key         string `arg:"" help:"What to call the key: letters, digits, '-', '_' and '.'."`
	Name        string `placeholder:"TEXT" help:"Name of the station."`
	Genre       string `placeholder:"TEXT" help:"Its genre."`
	URL         string `name:"url" placeholder:"URL" help:"Its web page."`
	Description string `placeholder:"TEXT" help:"Its description."`
	jsonFlags
}

// Run makes a station.
func (c *stationNewCmd) Run(p *program, g *globalFlags) error {
	store, err := daemon.OpenStore(g.DataDir)
	if err != nil {
		return err
	}
	st, err := store.New(c.Key, codec.Event{
		StationName: c.Name, Genre: c.Genre, URL: c.URL, Description: c.Description,
	}, rand.Reader)
	if err != nil {
		return err
	}
	return showStation(p, st, c.JSON)
}

func showStation(p *program, st daemon.Station, asJSON bool) error {
	if asJSON {
		return printJSON(p.stdout, viewStation(st))
	}
	return viewStation(st).print(p.stdout)
}

type stationListCmd struct{ jsonFlags }

// Run lists stations. Damaged keys are an error after those that are whole.
func (c *stationListCmd) Run(p *program, g *globalFlags) error {
	store, err := daemon.OpenStore(g.DataDir)
	if err != nil {
		return err
	}
	list, damaged := store.List()
	views := make([]stationView, 0, len(list))
	for _, st := range list {
		views = append(views, viewStation(st))
	}
	if c.JSON {
		return errors.Join(printJSON(p.stdout, views), damaged)
	}
	if len(views) == 0 && damaged == nil {
		_, err := fmt.Fprintln(p.stdout, "no stations yet: `streamer station new KEY` makes one, and so does `streamer broadcast`")
		return err
	}
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tNAME\tID")
	for _, v := range views {
		fmt.Fprintf(t, "%s\t%s\t%s\n", v.Key, v.Name, v.ID)
	}
	return errors.Join(t.Flush(), damaged)
}

type stationShowCmd struct {
	Key string `arg:"" complete:"keys" help:"Name of a key, or a key file."`
	jsonFlags
}

// Run shows a station.
func (c *stationShowCmd) Run(p *program, g *globalFlags) error {
	store, err := daemon.OpenStore(g.DataDir)
	if err != nil {
		return err
	}
	st, err := store.Open(c.Key)
	if err != nil {
		return err
	}
	return showStation(p, st, c.JSON)
}

type stationExportCmd struct {
	Key    string `arg:"" complete:"keys" help:"Name of a key, or a key file."`
	Output string `placeholder:"FILE" default:"-" help:"Where to write (standard output). A file that is there already is not replaced."`
	passphraseFlags
}

// Run exports a station.
func (c *stationExportCmd) Run(p *program, g *globalFlags) error {
	store, err := daemon.OpenStore(g.DataDir)
	if err != nil {
		return err
	}
	if _, err = store.Open(c.Key); err != nil {
		return err // before a passphrase is asked for
	}
	if c.Output == "-" {
		return c.seal(p, store, p.stdout)
	}
	f, err := os.OpenFile(c.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = errors.Join(c.seal(p, store, f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.Output))
	}
	return nil
}

func (c *stationExportCmd) seal(p *program, store *daemon.Store, w io.Writer) error {
	passphrase, err := c.passphrase(p, true)
	if err != nil {
		return err
	}
	return store.Export(w, c.Key, passphrase)
}

type stationImportCmd struct {
	File string `arg:"" help:"What station export wrote; - for standard input."`
	Key  string `arg:"" optional:"" help:"What to call the key here (the file's name)."`
	passphraseFlags
	jsonFlags
}

// Run imports a station.
func (c *stationImportCmd) Run(p *program, g *globalFlags) error {
	if c.Key == "" {
		if c.File == "-" {
			return usageError{errors.New("say what to call the key: streamer station import - KEY")}
		}
		base := filepath.Base(c.File)
		c.Key = strings.TrimSuffix(base, filepath.Ext(base))
	}
	sealed := p.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		sealed = f
	}
	store, err := daemon.OpenStore(g.DataDir)
	if err != nil {
		return err
	}
	if _, err = store.Load(c.Key); !errors.Is(err, daemon.ErrNoStation) { // before a passphrase is asked for
		if err != nil {
			return err
		}
		return withHint(fmt.Errorf("%w: %s", daemon.ErrStationExists, c.Key),
			"`streamer station import %s OTHER_KEY` gives it another name", c.File)
	}
	passphrase, err := c.passphrase(p, false)
	if err != nil {
		return err
	}
	st, err := store.Import(sealed, c.Key, passphrase)
	if err != nil {
		return err
	}
	return showStation(p, st, c.JSON)
}
