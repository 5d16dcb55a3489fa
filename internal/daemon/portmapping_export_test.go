// SPDX-License-Identifier: MIT

package daemon

import (
	"context"

	"streamer/internal/mono"
	"streamer/internal/node"
	"streamer/internal/portmap"
)

// AskRouter makes a daemon ask this router, before Run.
func (d *Daemon) AskRouter(p portmap.Path) {
	d.ports.paths = func() ([]portmap.Path, error) { return []portmap.Path{p}, nil }
}

// Mapped reports whether the node was told of a mapping.
func (d *Daemon) Mapped(ctx context.Context) (mapped bool, err error) {
	err = d.loop.ask(ctx, func(n *node.Node, now mono.Time) { mapped = n.Status(now).Reach.Mapped })
	return mapped, err
}
