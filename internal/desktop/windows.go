// SPDX-License-Identifier: MIT

package desktop

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
)

// iconPNG is icon.svg at 256 by 256 pixels (rsvg-convert -w 256 icon.svg -o icon.png).
//
//go:embed icon.png
var iconPNG []byte

// windows lists what Windows wants: a URL protocol and the Run key, both the user's own, and a shortcut in the Start menu.
// Paths are put together by hand, so that they are the same wherever that is done.
func (s System) windows(login bool) []Item {
	icon := s.Data + `\Streamer\streamer.ico`
	items := []Item{
		file{"icon", icon, icoFile(iconPNG)},
		setting{what: "links", key: `Software\Classes\` + name, values: []value{
			{"", "", "URL:Streamer station"},
			{"", "URL Protocol", ""},
			{"DefaultIcon", "", `"` + icon + `"`},
			{`shell\open\command`, "", windowsQuote(s.Binary) + " " + openArguments + ` "%1"`},
		}},
		shortcut{path: s.Config + `\Microsoft\Windows\Start Menu\Programs\Streamer.lnk`, target: s.Binary, icon: icon},
	}
	if login {
		items = append(items, setting{what: "start at login", key: `Software\Microsoft\Windows\CurrentVersion\Run`, shared: true,
			values: []value{{"", "Streamer", windowsQuote(s.Binary) + " " + loginArguments}}})
	}
	return items
}

// windowsQuote quotes a program's path, in which Windows allows no quotes.
func windowsQuote(path string) string { return `"` + path + `"` }

// icoFile puts one PNG of 256 by 256 pixels into an icon, as Windows reads them since Vista.
func icoFile(png []byte) []byte {
	b := []byte{0, 0, 1, 0, 1, 0} // reserved, an icon, one picture
	b = append(b, 0, 0, 0, 0)     // 256 by 256, no palette, reserved
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, 32) // bits a pixel
	b = binary.LittleEndian.AppendUint32(b, uint32(len(png)))
	b = binary.LittleEndian.AppendUint32(b, 22) // where it begins
	return append(b, png...)
}

// A shortcut is an entry of the Start menu.
type shortcut struct{ path, target, icon string }

// String implements Item.
func (s shortcut) String() string { return "menu entry: " + s.path }

// shortcutTime bounds the start of PowerShell, which takes seconds on slow machines.
const shortcutTime = time.Minute

// shortcutScript has Windows itself write the shortcut: the format is its own. Paths come by variables, never as script.
const shortcutScript = `$ErrorActionPreference = 'Stop'
$s = (New-Object -ComObject WScript.Shell).CreateShortcut($env:STREAMER_SHORTCUT)
$s.TargetPath = $env:STREAMER_TARGET
$s.IconLocation = $env:STREAMER_ICON
$s.Description = 'Internet radio that its listeners relay'
$s.Save()`

// Install implements Item.
func (s shortcut) Install(dry bool) (changed bool, err error) {
	before, err := readFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if dry {
		return before == nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), shortcutTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "powershell.exe", "-NoProfile", "-NonInteractive", "-Command", shortcutScript)
	cmd.Env = append(os.Environ(), "STREAMER_SHORTCUT="+s.path, "STREAMER_TARGET="+s.target, "STREAMER_ICON="+s.icon)
	said, err := cmd.CombinedOutput()
	var after []byte
	if err == nil {
		after, err = readFile(s.path)
	}
	if err != nil {
		return false, fmt.Errorf("PowerShell made none, all else works: %w: %s", err, strings.TrimSpace(string(said)))
	}
	return !bytes.Equal(before, after), nil
}

// Remove implements Item.
func (s shortcut) Remove(dry bool) (changed bool, err error) { return file{path: s.path}.Remove(dry) }
