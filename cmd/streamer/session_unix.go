// SPDX-License-Identifier: MIT

//go:build unix

package main

import "syscall"

// ownSession keeps a program away from this terminal's signals.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
