// SPDX-License-Identifier: MIT

package main

import "syscall"

// ownSession keeps a program away from this console's Ctrl-C.
func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
