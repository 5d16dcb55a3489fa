// SPDX-License-Identifier: MIT

package portmap

import (
	"fmt"
	"io"
	"os"
)

// tableBytesMax is how much of the kernel's tables is read; a full table of the internet is none of a home.
const tableBytesMax = 1 << 20

func defaultRoutes() ([]Route, error) {
	read := func(path string) ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		return io.ReadAll(io.LimitReader(f, tableBytesMax))
	}
	// This thread's: threads may differ in their network namespace.
	b, err := read("/proc/thread-self/net/route")
	if err != nil {
		return nil, fmt.Errorf("read the routes: %w", err)
	}
	routes := ParseRoutes4(b)
	if b, err = read("/proc/thread-self/net/ipv6_route"); err == nil { // else the kernel has no IPv6
		routes = append(routes, ParseRoutes6(b)...)
	}
	return routes, nil
}
