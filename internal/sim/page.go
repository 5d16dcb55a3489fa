// SPDX-License-Identifier: MIT

package sim

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// WritePage writes one HTML page about runs: figures and plots, in one file that loads nothing.
func WritePage(to io.Writer, runs []Result) error {
	view := make([]runView, len(runs))
	for i := range runs {
		view[i] = runs[i].view()
	}
	return pageTemplate.Execute(to, view)
}

// A runView is a run as page.html shows it.
type runView struct {
	*Result
	Facts      []fact
	Continuity plot
	Audience   plot
	Lag        plot
	Hops       plot
	Upload     []uploadBar
	UploadHigh float64
	Tree       treeView
}

// A fact is a figure in words.
type fact struct{ Name, Value, Note string }

// plotWidth is the width of all plots, in the units of their drawings.
const plotWidth = 860

// A plot is a drawing with axes.
type plot struct {
	Left, Top, Right, Bottom float64 // of the area between the axes
	Height                   float64
	X, Y                     []tick
	Line, Area               string // of a path
	Bars                     []bar
	Marks                    []tick // things that happened, across the area
	Shade                    float64
	Unit                     string // under the X axis
}

type tick struct {
	At    float64
	Label string
}

type bar struct {
	X, Y, W, H float64
	Title      string
}

// What page.html puts beside the area of a plot.
func (p plot) Tall() float64    { return p.Bottom - p.Top }
func (p plot) YLabel() float64  { return p.Left - 6 }
func (p plot) XLabel() float64  { return p.Bottom + 18 }
func (p plot) TickEnd() float64 { return p.Bottom + 4 }
func (p plot) UnitAt() float64  { return p.Bottom + 34 }

// Churned is the share of the audience that is replaced in a minute.
func (v runView) Churned() string { return compact(100*v.Conditions.Churn) + " %" }

// Percent is the share on time.
func (h Happening) Percent() string { return fmt.Sprintf("%.4f %%", 100*h.OnTime) }

func newPlot(height float64, unit string) plot {
	return plot{Left: 68, Top: 14, Right: plotWidth - 20, Bottom: height - 38, Height: height, Unit: unit}
}

func (p *plot) x(share float64) float64 { return p.Left + share*(p.Right-p.Left) }
func (p *plot) y(share float64) float64 { return p.Bottom - share*(p.Bottom-p.Top) }

// niceStep returns a step of 1, 2 or 5 times a power of ten with which about n cover a span.
func niceStep(span float64, n int) float64 {
	if span <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(span/float64(n))))
	for _, f := range []float64{1, 2, 5} {
		if span/(power*f) <= float64(n) {
			return power * f
		}
	}
	return 10 * power
}

// xTicks puts ticks under a plot whose X axis goes from 0 to most.
func (p *plot) xTicks(most float64) {
	for v, step := 0.0, niceStep(most, 10); v <= most*1.0001; v += step {
		p.X = append(p.X, tick{p.x(v / most), compact(v)})
	}
}

// compact writes a number without digits that say nothing.
func compact(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", math.Round(v/1e5)/10)
	case v >= 1e4:
		return fmt.Sprintf("%gk", math.Round(v/100)/10)
	}
	return fmt.Sprintf("%g", math.Round(v*1000)/1000)
}

func (r *Result) view() runView {
	v := runView{Result: r, Facts: r.facts()}
	if r.Pictures.Ends == 0 {
		return v // read from elsewhere: figures only
	}
	v.Continuity, v.Audience = r.continuity(), r.audience()
	v.Lag, v.Hops = r.lag(), r.hops()
	v.uploads()
	v.Tree = r.treeView()
	return v
}

// facts are the figures for people.
func (r *Result) facts() []fact {
	percent := func(v float64) string { return fmt.Sprintf("%.4g %%", math.Floor(v*1e6)/1e4) }
	c := &r.Conditions
	return []fact{
		{"chunks on time", percent(r.OnTimeMean), "mean; " + percent(r.OnTimeP1) + " for the worst 1 % of listeners"},
		{"heard", fmt.Sprintf("%.0f ms", r.DelayP50MS), fmt.Sprintf("after publication; %.0f ms p99", r.DelayP99MS)},
		{"lag", fmt.Sprintf("%d ms", r.LagP50MS), fmt.Sprintf("median; %d ms p99", r.LagP99MS)},
		{"hops", fmt.Sprint(r.HopsP50), fmt.Sprintf("median; %d p99", r.HopsP99)},
		{"first audio", fmt.Sprintf("%.0f ms", r.StartupP50MS), fmt.Sprintf("median; %.0f ms p95", r.StartupP95MS)},
		{"refill", fmt.Sprintf("%.0f ms", r.RefillP50MS), fmt.Sprintf("median; %.0f ms p95, of %d children that lost a parent; %d chunks lost", r.RefillP95MS, r.Refills, r.RefillLost)},
		{"source sends", fmt.Sprintf("%.2f x", r.SourceEgress), "the audio"},
		{"beside the audio", fmt.Sprintf("%.1f %%", 100*r.Overhead), fmt.Sprintf("of all bytes; %.2f %% of the chunks came twice", 100*r.Duplicates)},
		{"resource index", fmt.Sprintf("%.2f", c.ResourceIndex), fmt.Sprintf("%.2f with the overhead that the run had", c.IndexMeasured)},
		{
			"run", time.Duration(r.WallS * 1e9).Round(time.Second / 10).String(),
			fmt.Sprintf("%s events, %s bytes a node", compact(float64(r.Events)), compact(float64(r.BytesPerNode))),
		},
	}
}

// continuity draws the share of chunks on time over the run.
func (r *Result) continuity() plot {
	p := newPlot(250, "seconds")
	seconds := r.Pictures.Seconds
	least := 1.0
	for i, s := range seconds {
		if s.OnTime >= 0 && float64(i) >= r.Pictures.Settled.Seconds() {
			least = min(least, s.OnTime)
		}
	}
	floor := 0.0
	for _, f := range []float64{0.5, 0.9, 0.99, 0.999} {
		if least >= f {
			floor = f
		}
	}
	for i := range 5 {
		v := floor + (1-floor)*float64(i)/4
		p.Y = append(p.Y, tick{p.y(float64(i) / 4), fmt.Sprintf("%.6g %%", 100*v)})
	}
	p.timeAxis(r)
	var line strings.Builder
	pen := "M"
	for i, s := range seconds {
		if s.OnTime < 0 {
			pen = "M"
			continue
		}
		y := p.y(max(0, (s.OnTime-floor)/(1-floor)))
		fmt.Fprintf(&line, "%s%.1f %.1f", pen, p.x((float64(i)+0.5)/r.Pictures.Ends.Seconds()), y)
		pen = "L"
	}
	p.Line = line.String()
	return p
}

// timeAxis puts seconds and what happened on a plot.
func (p *plot) timeAxis(r *Result) {
	ends := r.Pictures.Ends.Seconds()
	p.xTicks(ends)
	p.Shade = p.x(r.Pictures.Settled.Seconds()/ends) - p.Left
	last := math.Inf(-1)
	for _, h := range r.Happened {
		m := tick{p.x(h.AtS / ends), h.What}
		if m.At-last < 60 { // no room for its name
			m.Label = ""
		} else {
			last = m.At
		}
		p.Marks = append(p.Marks, m)
		for _, at := range h.againS {
			p.Marks = append(p.Marks, tick{At: p.x(at / ends)})
		}
	}
}

// audience draws how many listeners there were.
func (r *Result) audience() plot {
	p := newPlot(110, "seconds")
	most := 1.0
	for _, s := range r.Pictures.Seconds {
		most = max(most, float64(s.Listeners))
	}
	p.Y = []tick{{p.y(0), "0"}, {p.y(1), compact(most)}}
	p.timeAxis(r)
	area := fmt.Sprintf("M%.1f %.1f", p.Left, p.Bottom)
	for i, s := range r.Pictures.Seconds {
		area += fmt.Sprintf("L%.1f %.1f", p.x(float64(i+1)/r.Pictures.Ends.Seconds()), p.y(float64(s.Listeners)/most))
	}
	if n := len(r.Pictures.Seconds); n > 0 {
		area += fmt.Sprintf("V%.1fZ", p.Bottom)
	}
	p.Area = area
	return p
}

// lagBars is how many bars the lags are gathered in.
const lagBars = 43

// lag draws how lags are distributed, up to the longest but 1 of 1,000.
func (r *Result) lag() plot {
	counts := r.Pictures.Lag
	longest := max(float64(percentile(counts, 999)), 10)
	width := niceStep(longest, lagBars)
	bars := make([]uint64, int(longest/width)+1)
	var total uint64
	for ms, n := range counts {
		total += n
		if i := int(float64(ms) / width); i < len(bars) {
			bars[i] += n
		}
	}
	p := newPlot(200, "ms from the source having a chunk to a listener having it")
	p.bars(bars, total, func(i int) string { return fmt.Sprintf("%g to %g ms", width*float64(i), width*float64(i+1)) })
	p.xTicks(width * float64(len(bars)))
	return p
}

// hops draws how far hosts are from the source.
func (r *Result) hops() plot {
	counts := r.Pictures.Hops
	far := max(percentile(counts, 1000), 4)
	var total uint64
	for _, n := range counts {
		total += n
	}
	shown := counts[1:min(far+1, len(counts))]
	p := newPlot(200, "hops from the source")
	p.bars(shown, total, func(i int) string { return fmt.Sprintf("%d hops", i+1) })
	for i := range shown {
		if len(shown) <= 24 || i%2 == 0 {
			p.X = append(p.X, tick{p.x((float64(i) + 0.5) / float64(len(shown))), fmt.Sprint(i + 1)})
		}
	}
	return p
}

// bars draws shares of a total.
func (p *plot) bars(counts []uint64, total uint64, name func(int) string) {
	var most uint64 = 1
	for _, n := range counts {
		most = max(most, n)
	}
	top := float64(most) / float64(max(total, 1))
	step := niceStep(100*top, 4) / 100
	for v := 0.0; v <= top; v += step {
		p.Y = append(p.Y, tick{p.y(v / top), compact(100*v) + " %"})
	}
	width := (p.Right - p.Left) / float64(len(counts))
	for i, n := range counts {
		if n == 0 {
			continue
		}
		y := p.y(float64(n) / float64(most))
		p.Bars = append(p.Bars, bar{
			X: p.Left + float64(i)*width + 1, Y: y, W: max(width-2, 1), H: p.Bottom - y,
			Title: fmt.Sprintf("%s: %.2f %%", name(i), 100*float64(n)/float64(total)),
		})
	}
}

// An uploadBar is what became of a group's upload.
type uploadBar struct {
	Class
	Color     int
	Y, W      float64
	Text      string
	Uncapped  bool
	HostsText string
}

// uploadBarLeft and the rest are the shape of the bars of upload.
const (
	uploadBarLeft   = 130
	uploadBarWidth  = 480
	uploadBarHeight = 30
)

func (v *runView) uploads() {
	for i, c := range v.Classes {
		b := uploadBar{Class: c, Color: i % treeColors, Y: float64(i * uploadBarHeight), W: uploadBarWidth * min(c.Used, 1)}
		b.HostsText = compact(float64(c.Hosts))
		b.Uncapped = c.UploadBPS <= 0
		switch {
		case c.UploadBPS < 0:
			b.Text = fmt.Sprintf("%.0f kbit/s, no cap", c.SentBPS/1000)
		case c.UploadBPS == 0:
			b.Text = fmt.Sprintf("%.0f kbit/s of control, gives nothing", c.SentBPS/1000)
		default:
			b.Text = fmt.Sprintf("%.0f %%: %.0f of %.0f kbit/s", 100*c.Used, c.SentBPS/1000, float64(c.UploadBPS)/1000)
		}
		v.Upload = append(v.Upload, b)
	}
	v.UploadHigh = float64(len(v.Classes) * uploadBarHeight)
}
