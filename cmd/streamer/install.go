// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"slices"

	"streamer/internal/desktop"
)

// dryFlags are those of commands that change the desktop.
type dryFlags struct {
	DryRun bool `help:"Say what would be done, and do nothing."`
}

type installCmd struct {
	StartAtLogin bool `help:"Start a node at each login, too, without opening its page."`
	dryFlags
}

// Run registers the program with the desktop of the one who runs it.
func (c *installCmd) Run(p *program) error {
	system, err := desktop.Here()
	if err != nil {
		return err
	}
	if err := system.CheckBinary(); err != nil {
		return err
	}
	_, err = c.change(p, system.Items(c.StartAtLogin), desktop.Item.Install, "made", "there already")
	if warning := system.Warning(); warning != "" {
		fmt.Fprintln(p.stderr, "streamer:", warning)
	}
	if err != nil || c.DryRun {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "streamerp2p: links open with %s; `streamer uninstall` takes all of this back\n", system.Binary)
	return err
}

type uninstallCmd struct{ dryFlags }

// Run removes what install registers, in the opposite order.
func (c *uninstallCmd) Run(p *program) error {
	system, err := desktop.Here()
	if err != nil {
		return err
	}
	items := system.Items(true)
	slices.Reverse(items)
	changed, err := c.change(p, items, desktop.Item.Remove, "removed", "")
	if err == nil && !changed {
		_, err = fmt.Fprintln(p.stdout, "nothing of this program is installed")
	}
	return err
}

// change does one thing to each item and prints a line for it; unchanged, when it is not empty, is for those that need nothing.
// One that fails keeps nobody from the others.
func (f dryFlags) change(p *program, items []desktop.Item, do func(desktop.Item, bool) (bool, error), done, unchanged string) (any bool, err error) {
	if f.DryRun {
		done = "would be " + done
	}
	for _, it := range items {
		changed, failed := do(it, f.DryRun)
		word := unchanged
		switch {
		case failed != nil:
			err = errors.Join(err, fmt.Errorf("%v: %w", it, failed))
			continue
		case changed:
			word, any = done, true
		case word == "":
			continue
		}
		if _, failed := fmt.Fprintf(p.stdout, "%s: %v\n", word, it); failed != nil {
			return any, failed
		}
	}
	return any, err
}
