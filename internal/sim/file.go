// SPDX-License-Identifier: MIT

package sim

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"streamer/internal/node"
)

// FileBytesMax is the size of the longest scenario file.
const FileBytesMax = 64 << 10

// Limits of what a scenario file lists.
const (
	groupsMax   = 64
	faultsMax   = 200 // islands are numbered in a byte
	arrivalsMax = 16
)

// A File is a scenario as people write it (docs/scenarios.md): TOML, in which shares are percent, rates as on the command
// line, and times are counted from the moment when the audience has gathered. It makes the same conditions at any size of the
// audience.
type File struct {
	Name          string   `toml:"-"`
	About         string   `toml:"about"`
	Watch         span     `toml:"watch"`
	Bitrate       Rate     `toml:"bitrate"`
	PlayDelay     span     `toml:"play_delay"`
	Skew          span     `toml:"skew"`
	ResourceIndex float64  `toml:"resource_index"`
	Gossip        bool     `toml:"gossip"`
	Seeds         int      `toml:"seeds"`
	Without       []string `toml:"without"`

	Gather fileGather  `toml:"gather"`
	Path   filePath    `toml:"path"`
	Source fileGroup   `toml:"source"`
	Groups []fileGroup `toml:"group"`
	Crowds []fileCrowd `toml:"crowd"`
	Churn  *fileChurn  `toml:"churn"`
	Faults []fileFault `toml:"fault"`

	text []byte
}

type fileGather struct {
	Doubling span `toml:"doubling"`
	Over     span `toml:"over"`
	Each     span `toml:"each"`
	Rest     span `toml:"rest"`
}

type filePath struct {
	Jitter    span    `toml:"jitter"`
	Loss      percent `toml:"loss_percent"`
	LossBurst uint32  `toml:"loss_burst"`
	Late      percent `toml:"late_percent"`
	LateBy    span    `toml:"late_by"`
}

type fileGroup struct {
	Name    string    `toml:"name"`
	Share   percent   `toml:"share_percent"`
	Role    string    `toml:"role"`
	Upload  offer     `toml:"upload"`
	Up      Rate      `toml:"up"`
	Down    Rate      `toml:"down"`
	Queue   span      `toml:"queue"`
	Delay   []span    `toml:"delay"`
	Knows   string    `toml:"knows"`
	Hostile string    `toml:"hostile"`
	Home    string    `toml:"home"`
	Join    *fileJoin `toml:"join"`
}

type fileJoin struct {
	At   span `toml:"at"`
	Over span `toml:"over"`
}

type fileCrowd struct {
	At    span    `toml:"at"`
	Over  span    `toml:"over"`
	Share percent `toml:"share_percent"`
}

type fileChurn struct {
	PerMinute percent `toml:"percent_per_minute"`
	At        span    `toml:"at"`
	For       span    `toml:"for"`
	HeavyTail bool    `toml:"heavy_tail"`
	Polite    percent `toml:"polite_percent"`
}

type fileFault struct {
	At      span    `toml:"at"`
	Kind    string  `toml:"kind"`
	For     span    `toml:"for"`
	Every   span    `toml:"every"`
	Times   int     `toml:"times"`
	Group   string  `toml:"group"`
	Network string  `toml:"network"`
	Count   int     `toml:"count"`
	Share   percent `toml:"share_percent"`
	Feeding bool    `toml:"feeding"`
	Replace bool    `toml:"replace"`
	Loss    percent `toml:"loss_percent"`
}

// ParseFile reads a scenario file. The scenario is called name.
func ParseFile(name string, text []byte) (*File, error) {
	if len(text) > FileBytesMax {
		return nil, fmt.Errorf("scenario %s: %d bytes; write at most %d", name, len(text), FileBytesMax)
	}
	f := &File{Name: name, text: text}
	meta, err := toml.Decode(string(text), f)
	if err != nil {
		var wrong toml.ParseError
		if errors.As(err, &wrong) {
			return nil, fmt.Errorf("scenario %s, line %d: %s", name, wrong.Position.Line, wrong.Message)
		}
		return nil, fmt.Errorf("scenario %s: %w", name, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		key := unknown[0]
		return nil, fmt.Errorf("scenario %s: unknown key %q; those that may be here are %s", name, key, strings.Join(keysBeside(key), ", "))
	}
	if _, err := f.Scenario(1000); err != nil { // small audiences only leave groups out
		return nil, err
	}
	return f, nil
}

// Text returns what the file was read from.
func (f *File) Text() []byte { return f.text }

// SetChurn has so many percent of the audience replaced in a minute, from when it has gathered until 15 s before the end (at
// least for half of the time) where the file does not say when; 0: nobody.
func (f *File) SetChurn(perMinute float64) {
	switch {
	case perMinute == 0:
		f.Churn = nil
	case f.Churn == nil:
		watch := f.Watch
		if watch == 0 {
			watch = span(watchDefault)
		}
		f.Churn = &fileChurn{PerMinute: percent(perMinute), For: max(watch-span(15*time.Second), watch/2)}
	default:
		f.Churn.PerMinute = percent(perMinute)
	}
}

// keysBeside returns the keys that a table may have, sorted as they are declared.
func keysBeside(key toml.Key) []string {
	t := reflect.TypeFor[File]()
	for _, part := range key[:len(key)-1] {
		field, ok := fieldOf(t, part)
		if !ok {
			break // a table in a table that is unknown itself
		}
		t = field
	}
	var names []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("toml"); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// fieldOf returns the type of the table under a key of a table.
func fieldOf(t reflect.Type, key string) (reflect.Type, bool) {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("toml") != key {
			continue
		}
		inner := t.Field(i).Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		return inner, inner.Kind() == reflect.Struct
	}
	return nil, false
}

// A span is a time, written like 500ms, 10s or 2m.
type span time.Duration

// UnmarshalText reads a time.
func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 || d > DurationMax {
		return fmt.Errorf("time %q: write it like \"500ms\", \"10s\" or \"2m\", at most \"24h\"", text)
	}
	*s = span(d)
	return nil
}

// A percent is a share, in tenths of a percent from 0 to 100.
type percent float64

// permille returns the share in thousandths.
func (p percent) permille(what string) (int, error) {
	n := float64(p) * 10
	if !(n >= 0 && n <= 1000) || math.Abs(n-math.Round(n)) > 1e-9 {
		return 0, fmt.Errorf("%s: %v percent; write 0 to 100 in steps of 0.1", what, float64(p))
	}
	return int(math.Round(n)), nil
}

// ppm returns the share in millionths.
func (p percent) ppm(what string) (uint32, error) {
	if !(p >= 0 && p <= 100) {
		return 0, fmt.Errorf("%s: %v percent; write 0 to 100", what, float64(p))
	}
	return uint32(math.Round(float64(p) * million / 100)), nil
}

// rateMost is the fastest line.
const rateMost = 1e12

// A Rate is in bit/s, written like 512k or 2M; 0: not given.
type Rate int64

// UnmarshalText reads a rate.
func (r *Rate) UnmarshalText(text []byte) error {
	v, err := rateOf(string(text))
	*r = Rate(v)
	return err
}

func rateOf(text string) (int64, error) {
	digits, factor := text, 1.0
	if n := len(text); n > 0 {
		if i := strings.IndexByte("kMG", text[n-1]); i >= 0 {
			digits, factor = text[:n-1], math.Pow(1000, float64(i+1))
		}
	}
	v, err := number(digits)
	if err != nil || v*factor > rateMost {
		return 0, fmt.Errorf("rate %q: write bit/s, like \"512k\" or \"2M\", at most \"1000G\"", text)
	}
	return int64(math.Round(v * factor)), nil
}

// number reads digits with at most one point.
func number(digits string) (float64, error) {
	if digits == "" || strings.Trim(digits, "0123456789.") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(digits, 64)
}

// needsMost is the most that a host offers, in listeners that it could feed.
const needsMost = 10_000

// An offer is what a host gives: a rate, a multiple of what one listener needs on the wire (written like 1.5x), or auto.
type offer struct {
	bps   int64
	needs float64
	given bool
}

// UnmarshalText reads an offer.
func (o *offer) UnmarshalText(b []byte) error {
	text := string(b)
	o.given = true
	if text == "auto" {
		o.bps = node.UploadAuto
		return nil
	}
	if times, ok := strings.CutSuffix(text, "x"); ok {
		v, err := number(times)
		if err != nil || v > needsMost {
			return fmt.Errorf("upload %q: write how many listeners it feeds, like \"1.5x\", at most \"%dx\"", text, needsMost)
		}
		o.needs = v
		return nil
	}
	var err error
	o.bps, err = rateOf(text)
	return err
}

// rate returns an offer in bit/s, where a listener needs so much.
func (o *offer) rate(need int64) int64 {
	if o.needs > 0 {
		return int64(math.Round(o.needs * float64(need)))
	}
	return o.bps
}
