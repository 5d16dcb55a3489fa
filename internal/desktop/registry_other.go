// SPDX-License-Identifier: MIT

//go:build !windows

package desktop

import "errors"

// errNoRegistry says that a list for Windows is carried out elsewhere.
var errNoRegistry = errors.New("there is no registry here")

func readValue(string, string) (text string, ok bool, err error) { return "", false, errNoRegistry }
func writeValue(string, string, string) error                    { return errNoRegistry }
func deleteValue(string, string) error                           { return errNoRegistry }
func deleteEmptyKey(string) error                                { return errNoRegistry }
