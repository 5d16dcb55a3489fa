// SPDX-License-Identifier: MIT

package sim

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteSummary writes a line for each run: what a curve is made of. After runs that differ by their seeds alone comes their mean.
func WriteSummary(to io.Writer, runs []Result) error {
	t := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "scenario\tseed\tnodes\tindex\tchurn\twithout\ton time\tworst 1 %\thops\tlag p99\tfirst audio p95\tsource\tbeside\ttwice\twall\tbytes a node\tfailures")
	sums, n := [2]float64{}, 0
	for i := range runs {
		r, c := &runs[i], &runs[i].Conditions
		fmt.Fprintf(t, "%s\t%d\t%d\t%.2f\t%.0f %%\t%s\t%.4f %%\t%.4f %%\t%d, %d\t%d ms\t%.0f ms\t%.2f x\t%.1f %%\t%.2f %%\t%.1f s\t%d\t%d\n",
			r.Scenario, r.Seed, c.Nodes, c.ResourceIndex, 100*c.Churn, c.Without, 100*r.OnTimeMean, 100*r.OnTimeP1, r.HopsP50, r.HopsP99, r.LagP99MS,
			r.StartupP95MS, r.SourceEgress, 100*r.Overhead, 100*r.Duplicates, r.WallS, r.BytesPerNode, len(r.Failures))
		sums[0], sums[1], n = sums[0]+r.OnTimeMean, sums[1]+r.OnTimeP1, n+1
		if i+1 < len(runs) && alike(r, &runs[i+1]) {
			continue
		}
		if n > 1 {
			fmt.Fprintf(t, "%s\tmean\t%d\t%.2f\t%.0f %%\t%s\t%.4f %%\t%.4f %%\t\t\t\t\t\t\t\t\t\n", r.Scenario, c.Nodes, c.ResourceIndex, 100*c.Churn, c.Without,
				100*sums[0]/float64(n), 100*sums[1]/float64(n))
		}
		sums, n = [2]float64{}, 0
	}
	return t.Flush()
}

// alike reports whether two runs differ by their seeds alone.
func alike(a, b *Result) bool {
	x, y := a.Conditions, b.Conditions
	x.IndexMeasured, y.IndexMeasured = 0, 0
	return a.Scenario == b.Scenario && x == y
}
