// SPDX-License-Identifier: MIT

//go:build lab && linux

package netlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	directoryPrefix = "streamer-lab-" // then the process id, a dash and something random
	keepMarker      = "keep"          // the file that says: somebody wants to read this
)

// newDirectory makes the directory of a network, after it removed those of runs that were killed.
func newDirectory() (string, error) {
	removeLeftovers()
	return os.MkdirTemp("", fmt.Sprintf("%s%d-", directoryPrefix, os.Getpid()))
}

// removeLeftovers removes the directories of processes that are no more, unless they are marked to be kept. It removes
// nothing whose name is not this package's, and a directory that it cannot remove is left alone.
func removeLeftovers() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), directoryPrefix+"*")) // the pattern is well formed
	for _, dir := range dirs {
		digits, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), directoryPrefix), "-")
		pid, err := strconv.Atoi(digits)
		if err != nil || pid <= 1 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, keepMarker)); errors.Is(err, os.ErrNotExist) {
			_ = os.RemoveAll(dir)
		}
	}
}

// keepDirectory marks a directory as one to keep.
func keepDirectory(dir string) { _ = os.WriteFile(filepath.Join(dir, keepMarker), nil, 0o644) }
