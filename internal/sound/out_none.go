// SPDX-License-Identifier: MIT

//go:build !(linux || freebsd || netbsd || openbsd || dragonfly || windows || darwin)

package sound

import "fmt"

// openOutput knows no sound system here.
func openOutput(string) (output, error) {
	return nil, fmt.Errorf("%w: none is known for this operating system", ErrNoSound)
}
