// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine says what figures were measured on.
func Machine() string {
	var cpu string
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, rest, _ := strings.Cut(string(b), "model name")
		_, rest, _ = strings.Cut(rest, ": ")
		cpu, _, _ = strings.Cut(rest, "\n")
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores of %s, Linux %s", runtime.NumCPU(), cpu, strings.TrimSpace(string(kernel)))
}
