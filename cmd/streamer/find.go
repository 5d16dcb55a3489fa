// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"streamer/internal/daemon"
	"streamer/internal/identity"
)

// findStation reads what people call a station by: a link, an id, the name of a key of their own, or a name from the
// running node's list.
func findStation(ctx context.Context, text string, f *nodeFlags, g *globalFlags) (identity.Link, error) {
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(text)), "streamerp2p:") {
		link, err := identity.ParseLink(text)
		if err != nil {
			return identity.Link{}, usageError{err}
		}
		return link, nil
	}
	if id, err := identity.ParseStationID(text); err == nil {
		return identity.Link{Station: id}, nil
	}
	if store, err := daemon.OpenStore(g.DataDir); err == nil {
		if st, err := store.Load(text); err == nil {
			return st.Link(nil), nil
		}
	}
	client := newClient(f.HTTP, f.HTTPPassword, g)
	defer client.Close()
	link, found, err := fromList(ctx, text, client)
	if err != nil || found {
		return link, err
	}
	return identity.Link{}, unknownStation(text).withHint()
}

// unknownStation is the name of a station that nobody asked so far knows.
type unknownStation string

// Error implements error.
func (u unknownStation) Error() string { return fmt.Sprintf("no station %q is known here", string(u)) }

func (u unknownStation) withHint() error {
	return usageError{withHint(u,
		"give its link (streamerp2p:...) or its id of 52 letters and digits, or a host to ask: --seed HOST:PORT")}
}

// mayBeFound reports whether a node that is only starting could find the station by name: it has somebody to ask.
func mayBeFound(err error, f *nodeFlags, g *globalFlags) bool {
	_, unknown := errors.AsType[unknownStation](err)
	return unknown && (!f.NoLAN || !f.NoDHT || len(f.Seed)+len(daemon.PresetSeeds) > 0 || daemon.HostsKept(g.DataDir))
}

// findByName waits until the node knows a station of this name. It ends with ctx.
func findByName(ctx context.Context, d *daemon.Daemon, name string) (identity.Link, error) {
	link, err := d.Find(ctx, name)
	if errors.Is(err, daemon.ErrAmbiguous) {
		err = ambiguous(name)
	}
	return link, err
}

// ambiguous says that a name does not say which station is meant.
func ambiguous(name string) error {
	return withHint(fmt.Errorf("%w: %q", daemon.ErrAmbiguous, name), "give the link or the id: `streamer stations` shows them")
}

// fromList looks a name up in the list of the running node. That no node runs is no error.
func fromList(ctx context.Context, name string, client *daemon.Client) (link identity.Link, found bool, err error) {
	stations, err := client.Stations(ctx)
	if err != nil {
		return identity.Link{}, false, nil // nobody has a list; the caller says so
	}
	for _, s := range stations {
		if !strings.EqualFold(s.Name, name) {
			continue
		}
		if found {
			return identity.Link{}, false, usageError{ambiguous(name)}
		}
		if link, err = identity.ParseLink(s.Link); err != nil {
			return identity.Link{}, false, err
		}
		found = true
	}
	return link, found, nil
}
