// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
)

// browserAt is what shows a page where there is a desktop to show it on; nil where there is none. It is not of our session:
// Ctrl-C ends the node, and not a browser that it happened to start.
func browserAt(ctx context.Context, url string) *exec.Cmd {
	command := []string{"xdg-open", url}
	switch runtime.GOOS {
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler", url}
	case "darwin":
		command = []string{"open", url}
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return nil
		}
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.SysProcAttr = ownSession()
	return cmd
}
