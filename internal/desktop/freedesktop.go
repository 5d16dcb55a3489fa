// SPDX-License-Identifier: MIT

package desktop

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// desktopEntry is the one of the Debian package, which has the program on the path.
//
//go:embed streamerp2p.desktop
var desktopEntry string

//go:embed icon.svg
var iconSVG []byte

// packagedExec is how the packaged entry begins its command.
const packagedExec = "\nExec=streamer "

// freedesktop lists what a desktop by the specifications of freedesktop.org wants: Desktop Entry, Icon Theme, MIME Applications
// Associations, Desktop Application Autostart.
func (s System) freedesktop(login bool) []Item {
	entry := func(arguments string) []byte {
		return []byte(strings.Replace(desktopEntry, packagedExec+"open -- %u\n", "\nExec="+execQuote(s.Binary)+" "+arguments+"\n", 1))
	}
	items := []Item{
		file{"icon", filepath.Join(s.Data, "icons", "hicolor", "scalable", "apps", name+".svg"), iconSVG},
		file{"menu entry", filepath.Join(s.Data, "applications", name+".desktop"), entry(openArguments + " %u")},
		association{filepath.Join(s.Config, "mimeapps.list")},
	}
	if login {
		// It is started, not chosen: it opens nothing and is in no menu.
		auto := strings.Replace(string(entry(loginArguments)), "MimeType=x-scheme-handler/"+name+";\n", "NoDisplay=true\n", 1)
		items = append(items, file{"start at login", filepath.Join(s.Config, "autostart", name+".desktop"), []byte(auto)})
	}
	return items
}

// execQuote writes a path as the Desktop Entry Specification wants it in Exec. What needs no quotes gets none: xdg-open
// (1.1.3, outside of the large desktops) takes them for a part of the path. A "%" has been refused: GLib does not find such
// a program.
func execQuote(path string) string {
	const reserved = " \t\n\"'\\><~|&;$*?#()`"
	if !strings.ContainsAny(path, reserved) {
		return path
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(path) {
		if strings.IndexByte("\"`$\\", path[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(path[i])
	}
	b.WriteByte('"')
	return strings.ReplaceAll(b.String(), `\`, `\\`) // a value of type string is escaped once more
}

// Warning says what keeps links from opening though all is installed; "" nothing that is known of. Where no large desktop
// brings an opener of its own, xdg-open up to 1.1.3 takes a link whose scheme has a digit for a file
// (https://bugs.freedesktop.org/show_bug.cgi?id=104973).
func (s System) Warning() string {
	if s.OS == "windows" || s.OS == "darwin" || os.Getenv("XDG_CURRENT_DESKTOP") != "" {
		return ""
	}
	path, err := exec.LookPath("xdg-open")
	if err != nil {
		return "programs that open links with xdg-open do not find it: install xdg-utils"
	}
	if script, err := readFile(path); err == nil && !opensDigits(string(script)) {
		return path + " is too old for streamerp2p: links outside of GNOME, KDE, Xfce and their like: xdg-utils 1.2 knows them"
	}
	return ""
}

// opensDigits reports whether a version of xdg-open takes "streamerp2p:" for the beginning of a link.
func opensDigits(script string) bool {
	return !strings.Contains(script, `egrep -q '^[[:alpha:]+\.\-]+:'`)
}
