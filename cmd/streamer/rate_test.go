// SPDX-License-Identifier: MIT

package main

import (
	"testing"

	"streamer/internal/node"
)

func TestParseRate(t *testing.T) {
	for _, tt := range []struct {
		text string
		want rate
	}{
		{"auto", rate(node.UploadAuto)},
		{"0", 0},
		{"64000", 64_000},
		{"512k", 512_000},
		{"512K", 512_000},
		{"2M", 2_000_000},
		{"1.5M", 1_500_000},
		{"1G", 1_000_000_000},
		{"0.0005k", 1}, // rounded
		{"1000G", 1_000_000_000_000},
	} {
		got, err := parseRate(tt.text)
		if err != nil || got != tt.want {
			t.Errorf("parseRate(%q) = %v, %v; want %v", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{
		"", "k", "-1", "+1", "1e3", "1 k", "2Mb", "2Mbit/s", "1001G", "NaN", "Inf", "0x10", "1_000", "1.2.3", "Auto", "99999999999999999999G",
	} {
		if got, err := parseRate(text); err == nil {
			t.Errorf("parseRate(%q) = %v, want an error", text, got)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, text := range []string{"auto", "0", "512k", "1.5M", "2G", "1e9", "-1", "k"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRate(text)
		if err != nil {
			return
		}
		if r < rate(node.UploadAuto) || r > rateMaxBPS {
			t.Fatalf("parseRate(%q) = %d, out of range", text, int64(r))
		}
		again, err := parseRate(r.String())
		if err != nil || again != r {
			t.Fatalf("%q is %v, which reads as %v, %v", text, r, again, err)
		}
	})
}
