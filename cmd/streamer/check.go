// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"streamer/internal/daemon"
)

type checkCmd struct {
	Wait         time.Duration `default:"30s" help:"How long to wait for the answer of a node that has just been started."`
	NoUploadTest bool          `help:"Do not measure the upload: that sends up to 2 MB in 10 s, once in 10 minutes."`
	clientFlags
	jsonFlags
}

const measureLook = 250 * time.Millisecond // at a measurement

// checkEvery is how often check looks whether the node knows by now.
const checkEvery = 500 * time.Millisecond

// Run asks the running node how others reach it, and waits while it does not know yet.
func (c *checkCmd) Run(p *program, g *globalFlags) error {
	client := c.client(g)
	defer client.Close()
	s, err := c.settled(p.ctx, client)
	if err != nil {
		return err
	}
	if !c.NoUploadTest && (s.Upload.BudgetBPS == nil || *s.Upload.BudgetBPS > 0) {
		if s, err = p.measureUpload(client); err != nil {
			return err
		}
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

// measureUpload has the node measure its upload, draws a bar meanwhile, and returns the status after it.
func (p *program) measureUpload(client *daemon.Client) (s daemon.Status, err error) {
	if err := client.MeasureUpload(p.ctx); err != nil {
		return s, err
	}
	bar := p.percentBar("measuring the upload")
	defer bar(-1)
	tick := time.NewTicker(measureLook)
	defer tick.Stop()
	for {
		s, err = client.Status(p.ctx)
		if err != nil || s.Upload.Test.State != "asking" && s.Upload.Test.State != "running" {
			return s, err
		}
		bar(s.Upload.Test.Percent)
		select {
		case <-p.ctx.Done():
			return s, context.Cause(p.ctx)
		case <-tick.C:
		}
	}
}

// percentBar returns what draws a bar on the terminal, and takes it away with -1; it does nothing where standard error is none.
func (p *program) percentBar(name string) func(percent int) {
	f, ok := p.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(int) {}
	}
	return func(percent int) {
		if percent < 0 {
			fmt.Fprint(f, "\r\x1b[K")
			return
		}
		cells := progressCells * min(percent, 100) / 100
		fmt.Fprintf(f, "\r%s [%s%s] %d %%\x1b[K", name, strings.Repeat("=", cells), strings.Repeat(" ", progressCells-cells), percent)
	}
}

// uploadWords says what the upload is good for.
func uploadWords(s daemon.Status) string {
	test := s.Upload.Test
	budget := s.Upload.BudgetBPS
	switch {
	case budget != nil && *budget == 0:
		return "nothing is given (--upload 0)"
	case test.State == "done" && test.BPS != nil:
		words := "about "
		if test.AtLeast {
			words = "at least "
		}
		bps := *test.BPS
		words += bitRate(bps)
		if budget != nil && *budget < bps {
			bps = *budget
			words += ", of which --upload gives " + bitRate(bps)
		}
		return words + ": " + enoughFor(bps)
	case s.Upload.MeasuredBPS != nil:
		return "about " + bitRate(*s.Upload.MeasuredBPS) + ", as relaying shows: " + enoughFor(*s.Upload.MeasuredBPS)
	case test.State == "later":
		return "not known; it was measured less than 10 minutes ago: try again later"
	}
	return "not known: no node that strangers reach helped to measure it; it is found out while you relay"
}

// enoughFor is how many listeners an upload feeds.
func enoughFor(bps int64) string {
	const (
		listenerBPS = 128_000 * 115 / 100 // with all that goes beside the audio
		givePercent = 78                  // what a node gives away of its upload
	)
	switch n := bps / 100 * givePercent / listenerBPS; n {
	case 0:
		return fmt.Sprintf("enough for %d %% of what a listener at 128 kbit/s needs", bps*givePercent/listenerBPS)
	case 1:
		return "enough for 1 listener at 128 kbit/s"
	default:
		return fmt.Sprintf("enough for %d listeners at 128 kbit/s", n)
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
	fmt.Fprintf(t, "upload\t%s\n", uploadWords(s))
	fmt.Fprintf(t, "\t%s now%s\n", bitRate(s.Upload.UsedBPS), optionalRate(", at most ", s.Upload.BudgetBPS))
	return t.Flush()
}

func orNone(addr *string, family string) string {
	if addr == nil {
		return "no " + family + " seen"
	}
	return *addr
}
