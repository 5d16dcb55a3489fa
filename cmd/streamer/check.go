// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"streamer/internal/daemon"
)

type checkCmd struct {
	Wait time.Duration `default:"30s" help:"How long to wait for the answer of a node that has just been started."`
	clientFlags
	jsonFlags
}

// checkEvery is how often check looks whether the node knows by now.
const checkEvery = 500 * time.Millisecond

// Run asks the running node how others reach it, and waits while it does not know yet.
func (c *checkCmd) Run(p *program) error {
	client := daemon.NewClient(c.HTTP)
	defer client.Close()
	s, err := c.settled(p.ctx, client)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.stdout, map[string]any{"reachability": s.Reachability, "nat": s.NAT, "portmap": s.Portmap, "upload": s.Upload})
	}
	return printCheck(p.stdout, s)
}

// settled returns the status once the node knows how it is reached, or has had its time to find out.
func (c *checkCmd) settled(ctx context.Context, client *daemon.Client) (daemon.Status, error) {
	deadline := time.NewTimer(c.Wait)
	defer deadline.Stop()
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		s, err := client.Status(ctx)
		if err != nil || s.Reachability != "unknown" {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, context.Cause(ctx)
		case <-deadline.C:
			return s, nil
		case <-tick.C:
		}
	}
}

func printCheck(w io.Writer, s daemon.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "reachable\t%s: %s\n", s.Reachability, s.NAT.Summary)
	fmt.Fprintf(t, "to do\t%s\n", s.NAT.Advice)
	fmt.Fprintf(t, "address\t%s, %s\n", orNone(s.NAT.Outside4, "IPv4"), orNone(s.NAT.Outside6, "IPv6"))
	kept := ""
	switch {
	case s.NAT.PortKept:
		kept = ", port kept"
	case s.NAT.PortStep != 0:
		kept = fmt.Sprintf(", ports in steps of %d", s.NAT.PortStep)
	}
	fmt.Fprintf(t, "NAT\tmapping %s, filtering %s%s\n", s.NAT.Mapping, s.NAT.Filtering, kept)
	fmt.Fprintf(t, "lifetime\t%s\n", s.NAT.Remembers)
	fmt.Fprintf(t, "router\t%s\n", cmp.Or(s.Portmap.IPv4.Words, s.Portmap.IPv6.Words, "not asked for a port (--no-portmap)"))
	fmt.Fprintf(t, "proxies\t%d introduce others to this node; it introduces others to %d\n", s.NAT.Proxies, s.NAT.Clients)
	fmt.Fprintf(t, "upload\t%s now%s%s\n", bitRate(s.Upload.UsedBPS),
		optionalRate(", at most ", s.Upload.BudgetBPS), optionalRate(", measured ", s.Upload.MeasuredBPS))
	return t.Flush()
}

func orNone(addr *string, family string) string {
	if addr == nil {
		return "no " + family + " seen"
	}
	return *addr
}
