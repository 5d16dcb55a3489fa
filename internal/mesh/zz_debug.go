// SPDX-License-Identifier: MIT

package mesh

import (
	"fmt"
	"os"
	"streamer/internal/mono"
)

// Debug is temporary.
var Debug = os.Getenv("MESHDBG") != ""

func (s *Station) dbg(now mono.Time, f string, a ...any) {
	if Debug {
		fmt.Printf("%.3f %x %s\n", float64(now)/1e9, s.cfg.Self[:2], fmt.Sprintf(f, a...))
	}
}
