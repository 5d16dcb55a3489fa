// SPDX-License-Identifier: MIT

// Package mono is time as the core sees it: nanoseconds since an origin that only the driver knows. Nobody here can ask
// what time it is; the driver says so in each call. Values are plain integers and belong to whoever holds them.
package mono

import "time"

// Time is nanoseconds since the driver's origin. It never goes back.
type Time int64

// Never is later than every other Time: no deadline is pending.
const Never Time = 1<<63 - 1

// Add returns t + d; Never stays Never.
func (t Time) Add(d time.Duration) Time {
	if t == Never {
		return Never
	}
	return t + Time(d)
}

// Sub returns t - u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Before reports whether t is earlier than u.
func (t Time) Before(u Time) bool { return t < u }

// Min returns the earlier of two times.
func Min(t, u Time) Time { return min(t, u) }
