// SPDX-License-Identifier: MIT

package sim

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteSummary writes a line for each run: what a curve is made of.
func WriteSummary(to io.Writer, runs []Result) error {
	t := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "scenario\tseed\tnodes\tindex\tchurn\ton time\tworst 1 %\thops\tlag p99\tfirst audio p95\tsource\tbeside\ttwice\twall\tbytes a node\tfailures")
	for i := range runs {
		r, c := &runs[i], &runs[i].Conditions
		fmt.Fprintf(t, "%s\t%d\t%d\t%.2f\t%.0f %%\t%.4f %%\t%.4f %%\t%d, %d\t%d ms\t%.0f ms\t%.2f x\t%.1f %%\t%.2f %%\t%.1f s\t%d\t%d\n",
			r.Scenario, r.Seed, c.Nodes, c.ResourceIndex, 100*c.Churn, 100*r.OnTimeMean, 100*r.OnTimeP1, r.HopsP50, r.HopsP99, r.LagP99MS,
			r.StartupP95MS, r.SourceEgress, 100*r.Overhead, 100*r.Duplicates, r.WallS, r.BytesPerNode, len(r.Failures))
	}
	return t.Flush()
}
