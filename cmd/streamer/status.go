// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"streamer/internal/daemon"
)

type statusCmd struct {
	clientFlags
	jsonFlags
}

// Run asks the running node how it is.
func (c *statusCmd) Run(p *program, g *globalFlags) error {
	client := c.client(g)
	defer client.Close()
	if c.JSON {
		raw, err := client.Get(p.ctx, "/api/v1/status")
		if err != nil {
			return err
		}
		return printJSON(p.stdout, raw)
	}
	s, err := client.Status(p.ctx)
	if err != nil {
		return err
	}
	return printStatus(p.stdout, client.URL(), s)
}

func printStatus(w io.Writer, page string, s daemon.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "node\t%s, up %s, UDP port %d, version %s\n",
		short(s.NodeID), time.Duration(s.UptimeS)*time.Second, s.UDPPort, s.Version)
	fmt.Fprintf(t, "page\t%s\n", page)
	fmt.Fprintf(t, "reachable\t%s: %s\n", s.Reachability, s.NAT.Summary)
	fmt.Fprintf(t, "hosts\t%d known, %d answering\n", s.Hosts.Known, s.Hosts.Answering)
	fmt.Fprintf(t, "upload\t%s now%s%s\n", bitRate(s.Upload.UsedBPS),
		optionalRate(", at most ", s.Upload.BudgetBPS), optionalRate(", measured ", s.Upload.MeasuredBPS))
	fmt.Fprintf(t, "given\t%s since the start, %s today, %s in all\n",
		byteCount(s.Given.SessionBytes), byteCount(s.Given.TodayBytes), byteCount(s.Given.TotalBytes))
	fmt.Fprintf(t, "peers\t%d, players %d\n", s.Peers, s.Players)
	if err := t.Flush(); err != nil {
		return err
	}
	if len(s.Tuned) == 0 {
		_, err := fmt.Fprintln(w, "\nno station is tuned in")
		return err
	}
	for _, st := range s.Tuned {
		if err := printTuned(w, st); err != nil {
			return err
		}
	}
	return nil
}

func printTuned(w io.Writer, st daemon.TunedStatus) error {
	state := "waiting"
	if st.Online {
		state = "on the air"
	}
	fmt.Fprintf(w, "\n%s  %s, %s\n", cmp.Or(st.Name, st.ID), st.Role, state)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  id\t%s\n", st.ID)
	if st.Title != "" {
		fmt.Fprintf(t, "  title\t%s\n", st.Title)
	}
	if st.Codec != "" {
		fmt.Fprintf(t, "  audio\t%s, %s\n", st.Codec, bitRate(st.BitrateBPS))
	}
	fmt.Fprintf(t, "  place\t%s\n", place(st))
	fmt.Fprintf(t, "  standing\t%s\n", standing(&st))
	fmt.Fprintf(t, "  chunks\t%d received, %d of them repaired, %d missing, %d twice\n",
		st.Chunks.Received, st.Chunks.Repaired, st.Chunks.Missing, st.Chunks.Duplicate)
	fmt.Fprintf(t, "  bytes\t%s of audio in; on the wire %s in, %s out\n",
		byteCount(st.Bytes.PayloadIn), byteCount(st.Bytes.WireIn), byteCount(st.Bytes.WireOut))
	if err := t.Flush(); err != nil {
		return err
	}
	return printForest(w, &st)
}

// place says how far from the source a station's node is, and how much it has in hand.
func place(st daemon.TunedStatus) string {
	var parts []string
	if st.Hops != nil {
		parts = append(parts, plural(*st.Hops, "hop")+" from the source")
	}
	parts = append(parts, fmt.Sprintf("%.1f s in the buffer", float64(st.BufferMS)/1000))
	if st.LagMS != nil {
		parts = append(parts, fmt.Sprintf("%.1f s behind the source", float64(*st.LagMS)/1000))
	}
	if st.Full != nil {
		parts = append(parts, fmt.Sprintf("%s without upload left for this node, asked again in %.0f s", plural(st.Full.Peers, "peer"), float64(st.Full.TryInMS)/1000))
	}
	return strings.Join(parts, ", ")
}

type stopCmd struct{ clientFlags }

// Run asks the running node to leave, and waits until it has gone.
func (c *stopCmd) Run(p *program, g *globalFlags) error {
	client := c.client(g)
	defer client.Close()
	return client.Stop(p.ctx)
}

// short is the beginning of an id, for people.
func short(id string) string { return id[:min(len(id), 8)] }

func optionalRate(before string, bps *int64) string {
	if bps == nil {
		return ""
	}
	return before + bitRate(*bps)
}

// bitRate writes bit/s with three digits.
func bitRate(bps int64) string { return scaled(float64(bps), "bit/s") }

// byteCount writes a number of bytes with three digits.
func byteCount(n uint64) string { return scaled(float64(n), "B") }

func scaled(x float64, unit string) string {
	for _, prefix := range []string{"", "k", "M", "G"} {
		if x < 999.5 || prefix == "G" {
			if x < 10 && prefix != "" {
				return fmt.Sprintf("%.1f %s%s", x, prefix, unit)
			}
			return fmt.Sprintf("%.0f %s%s", x, prefix, unit)
		}
		x /= 1000
	}
	return ""
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
