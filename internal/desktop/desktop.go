// SPDX-License-Identifier: MIT

// Package desktop registers the program with the desktop of the user who runs it: what opens streamerp2p: links, an entry in
// the menu with an icon, and, for those who ask, a start at login; on Linux and its like (freedesktop.org), Windows and
// macOS. And it takes all of that back.
//
// What is registered where is computed without looking at the machine (System.Items), so that every system's list is tested
// on every other. The package asks for no rights beyond the user's, touches nothing that it did not make but one line of
// mimeapps.list, and never starts a node. Items belong to the caller and are not safe for use by several goroutines.
package desktop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// name is the one under which everything of ours is filed. The xawtv programs have a "streamer" too.
const name = "streamerp2p"

// pathBytesMax bounds the path of the program: Windows takes no longer ones in places where links are looked up.
const pathBytesMax = 1024

// An Item is one thing that is registered. Both methods may be called again and again, and say whether anything is different
// afterwards. With dry they only say what would be.
type Item interface {
	String() string // what it is, and where
	Install(dry bool) (changed bool, err error)
	Remove(dry bool) (changed bool, err error)
}

// A System is one user's desktop, and the program to register there.
type System struct {
	OS     string // as in runtime.GOOS; what is neither windows nor darwin has a desktop as freedesktop.org describes it
	Home   string // macOS only
	Data   string // $XDG_DATA_HOME; %LocalAppData%
	Config string // $XDG_CONFIG_HOME; %AppData%
	Binary string // the program, an absolute path
}

// Here is the desktop of the user of this process, and the program that runs.
func Here() (System, error) {
	s := System{OS: runtime.GOOS}
	var err error
	if s.Home, err = os.UserHomeDir(); err != nil {
		return s, fmt.Errorf("find your home directory: %w", err)
	}
	if s.Config, err = os.UserConfigDir(); err != nil {
		return s, fmt.Errorf("find your settings: %w", err)
	}
	switch s.OS {
	case "windows":
		if s.Data, err = os.UserCacheDir(); err != nil {
			return s, fmt.Errorf("find %%LocalAppData%%: %w", err)
		}
	default:
		// XDG base directory specification: a relative path is to be ignored.
		if s.Data = os.Getenv("XDG_DATA_HOME"); !filepath.IsAbs(s.Data) {
			s.Data = filepath.Join(s.Home, ".local", "share")
		}
	}
	if s.Binary, err = os.Executable(); err != nil {
		return s, fmt.Errorf("find this program: %w", err)
	}
	return s, nil
}

// CheckBinary says why links must not be made to open with this program.
func (s System) CheckBinary() error {
	if err := checkPath(s.Binary); err != nil {
		return err
	}
	for dir := s.Binary; ; dir = filepath.Dir(dir) {
		if strings.HasPrefix(filepath.Base(dir), "go-build") {
			return errors.New("this program is a temporary one, made by `go run`, and is gone when it ends: build it (`make`, or " +
				"`go install ./cmd/streamer`) and have that one install itself")
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if info, err := os.Stat(s.Binary); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("this program is not at %s any more: start it from where it is now", s.Binary)
	}
	return nil
}

// checkPath refuses paths that cannot be written into all of the places where they have to be.
func checkPath(path string) error {
	switch {
	case len(path) > pathBytesMax:
		return fmt.Errorf("this program's path is longer than %d bytes: move it", pathBytesMax)
	case !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl) || strings.ContainsAny(path, `="%`):
		return fmt.Errorf(`this program's path, %q, has a character in it that desktops do not take (a control character, =, %% or "): move it`, path)
	}
	return nil
}

// Items are all things to register, in this order, and to remove in the opposite one. login adds the start at login.
func (s System) Items(login bool) []Item {
	switch s.OS {
	case "windows":
		return s.windows(login)
	case "darwin":
		return s.macOS(login)
	default:
		return s.freedesktop(login)
	}
}

// openArguments follow the program where a desktop opens links with it. What comes after "--" is no flag, whatever a link
// looks like.
const openArguments = "open --"

// loginArguments start a node at login.
const loginArguments = "run --no-open"
