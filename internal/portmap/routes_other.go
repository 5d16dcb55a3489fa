// SPDX-License-Identifier: MIT

//go:build !linux && !windows && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package portmap

import "errors"

func defaultRoutes() ([]Route, error) { return nil, errors.New("not known on this system") }
