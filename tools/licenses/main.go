// SPDX-License-Identifier: MIT

// Command licenses writes the licence notices of all modules that the binary contains, on any of the systems it is built for:
//
//	licenses -root DIR >FILE    DIR is the repository
//
// It reads the module cache and asks nobody. A module without a licence is an error.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	root := flag.String("root", ".", "the repository")
	flag.Parse()
	text, err := notices(*root)
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}
