// SPDX-License-Identifier: MIT

package desktop

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// lsregister tells macOS of a program before somebody opens it in the Finder.
const lsregister = "/System/Library/Frameworks/CoreServices.framework/Frameworks/LaunchServices.framework/Support/lsregister"

// appletTime bounds each of the programs that make the applet.
const appletTime = time.Minute

// macOS lists what macOS wants. It hands links over by Apple events, which a plain program does not get: a small AppleScript
// applet, which osacompile makes on the spot, gets them and calls this program.
func (s System) macOS(login bool) []Item {
	items := []Item{applet{path: filepath.Join(s.Home, "Applications", "Streamer.app"), script: appletScript(s.Binary), icon: icnsFile(iconPNG)}}
	if login {
		items = append(items, file{"start at login", filepath.Join(s.Home, "Library", "LaunchAgents", name+".plist"), launchAgent(s.Binary)})
	}
	return items
}

// appletScript is the program of the applet. A link goes through the shell as one quoted word, and after "--" as no flag.
func appletScript(binary string) string {
	call := func(arguments string) string {
		return `	do shell script quoted form of ` + appleQuote(binary) + " & " + arguments + ` & " >/dev/null 2>&1 &"` + "\n"
	}
	return "-- Made by streamer install; streamer uninstall removes it.\n" +
		"on run\n" + call(`" open"`) + "end run\n" +
		"on open location theLink\n" + call(`" `+openArguments+` " & quoted form of theLink`) + "end open location\n"
}

// appleQuote writes a text as AppleScript does.
func appleQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// launchAgent starts a node at the next login.
func launchAgent(binary string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n" +
		"<plist version=\"1.0\"><dict>\n<key>Label</key><string>" + name + "</string>\n<key>ProgramArguments</key><array>\n")
	for _, word := range append([]string{binary}, strings.Fields(loginArguments)...) {
		b.WriteString("<string>")
		_ = xml.EscapeText(&b, []byte(word)) // a Buffer takes everything
		b.WriteString("</string>\n")
	}
	b.WriteString("</array>\n<key>RunAtLoad</key><true/>\n</dict></plist>\n")
	return b.Bytes()
}

// icnsFile puts one PNG of 256 by 256 pixels into an icon as macOS has them.
func icnsFile(png []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte("icns"), uint32(16+len(png)))
	b = binary.BigEndian.AppendUint32(append(b, "ic08"...), uint32(8+len(png)))
	return append(b, png...)
}

// An applet is a bundle that macOS opens links with.
type applet struct {
	path   string
	script string
	icon   []byte
}

// recipeFile, in the bundle, holds the script that it was made from. It shows that the bundle is ours.
const recipeFile = "Contents/Resources/streamer.applescript"

// String implements Item.
func (a applet) String() string { return "links and menu entry: " + a.path }

// errNotOurs says that another's program has the place of our applet.
var errNotOurs = errors.New("there is another program of this name: move it away")

// recipe is the script of the applet that is there; ours is false when there is none.
func (a applet) recipe() (script string, ours bool, err error) {
	b, err := readFile(filepath.Join(a.path, filepath.FromSlash(recipeFile)))
	if err == nil {
		return string(b), true, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	_, err = os.Lstat(a.path)
	switch {
	case err == nil:
		return "", false, fmt.Errorf("%s: %w", a.path, errNotOurs)
	case errors.Is(err, fs.ErrNotExist):
		return "", false, nil
	}
	return "", false, err
}

// Install implements Item. The bundle is made beside its place, then put there.
func (a applet) Install(dry bool) (changed bool, err error) {
	script, ours, err := a.recipe()
	if err != nil || ours && script == a.script || dry {
		return err == nil && script != a.script, err
	}
	if err := os.MkdirAll(filepath.Dir(a.path), 0o755); err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(a.path), ".streamer-")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	made := filepath.Join(dir, filepath.Base(a.path))
	for i, command := range a.commands(made) {
		if err := call(command); err != nil {
			return false, err
		}
		if i > 0 {
			continue
		}
		// The bundle is there, and not signed yet.
		if err := errors.Join(writeFile(filepath.Join(made, filepath.FromSlash(recipeFile)), []byte(a.script)),
			writeFile(filepath.Join(made, "Contents", "Resources", "applet.icns"), a.icon)); err != nil {
			return false, err
		}
	}
	if err := os.RemoveAll(a.path); err != nil {
		return false, err
	}
	if err := os.Rename(made, a.path); err != nil {
		return false, err
	}
	return true, call([]string{lsregister, "-f", a.path})
}

// commands make the bundle. Its signature says nothing but that it is whole: Apple's processors run nothing without one.
func (a applet) commands(bundle string) [][]string {
	plist := filepath.Join(bundle, "Contents", "Info.plist")
	return [][]string{
		{"/usr/bin/osacompile", "-o", bundle, "-e", a.script},
		{"/usr/bin/plutil", "-replace", "CFBundleIdentifier", "-string", name + ".applet", plist},
		{"/usr/bin/plutil", "-replace", "LSUIElement", "-bool", "true", plist},
		{"/usr/bin/plutil", "-replace", "CFBundleURLTypes", "-json",
			`[{"CFBundleURLName":"Streamer station","CFBundleURLSchemes":["` + name + `"]}]`, plist},
		{"/usr/bin/codesign", "--force", "--sign", "-", bundle},
	}
}

// Remove implements Item. macOS forgets what is gone.
func (a applet) Remove(dry bool) (changed bool, err error) {
	_, ours, err := a.recipe()
	if errors.Is(err, errNotOurs) {
		return false, nil
	}
	if err != nil || !ours || dry {
		return ours, err
	}
	_ = call([]string{lsregister, "-u", a.path}) // it would find out by itself
	return true, os.RemoveAll(a.path)
}

// call runs a program of the system.
func call(command []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), appletTime)
	defer cancel()
	if said, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", command[0], err, bytes.TrimSpace(said))
	}
	return nil
}
