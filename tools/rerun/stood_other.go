// SPDX-License-Identifier: MIT

//go:build !linux

package main

// watchStood is Linux's.
func (*steal) watchStood() {}
