// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"streamer/internal/node"
)

// rateMaxBPS bounds what --upload takes: 1 Tbit/s.
const rateMaxBPS = 1e12

// errRate says how a rate is written.
var errRate = errors.New("write bits per second, like 512k or 2M; 0 gives nothing, auto measures")

// A rate is in bit/s; node.UploadAuto leaves it to the node.
type rate int64

// parseRate reads "512k", "1.5M", "2G", "64000", "0" or "auto".
func parseRate(s string) (rate, error) {
	if s == "auto" {
		return rate(node.UploadAuto), nil
	}
	digits, factor := s, 1.0
	if s != "" {
		switch s[len(s)-1] {
		case 'k', 'K':
			factor = 1e3
		case 'M', 'm':
			factor = 1e6
		case 'G', 'g':
			factor = 1e9
		}
		if factor != 1 {
			digits = s[:len(s)-1]
		}
	}
	if digits == "" || strings.Trim(digits, "0123456789.") != "" {
		return 0, fmt.Errorf("rate %q: %w", s, errRate)
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, fmt.Errorf("rate %q: %w", s, errRate)
	}
	bps := math.Round(n * factor)
	if bps > rateMaxBPS {
		return 0, fmt.Errorf("rate %q is more than 1000G", s)
	}
	return rate(bps), nil
}

// UnmarshalText is parseRate, for kong.
func (r *rate) UnmarshalText(text []byte) (err error) {
	*r, err = parseRate(string(text))
	return err
}

// String writes what parseRate reads back.
func (r rate) String() string {
	if int64(r) == node.UploadAuto {
		return "auto"
	}
	for _, unit := range []struct {
		bps  rate
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if r >= unit.bps && r%unit.bps == 0 {
			return strconv.FormatInt(int64(r/unit.bps), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(r), 10)
}
