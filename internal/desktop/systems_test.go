// SPDX-License-Identifier: MIT

package desktop_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"image/png"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"streamer/internal/desktop"
)

func TestWindowsValues(t *testing.T) {
	s := desktop.System{OS: "windows", Data: `C:\Users\A B\AppData\Local`, Config: `C:\Users\A B\AppData\Roaming`, Binary: `C:\Program Files\S\streamer.exe`}
	want := map[string]string{
		`Software\Classes\streamerp2p|`:                          "URL:Streamer station",
		`Software\Classes\streamerp2p|URL Protocol`:              "",
		`Software\Classes\streamerp2p\DefaultIcon|`:              `"C:\Users\A B\AppData\Local\Streamer\streamer.ico"`,
		`Software\Classes\streamerp2p\shell\open\command|`:       `"C:\Program Files\S\streamer.exe" open -- "%1"`,
		`Software\Microsoft\Windows\CurrentVersion\Run|Streamer`: `"C:\Program Files\S\streamer.exe" run --no-open`,
	}
	items := s.Items(true)
	if got := desktop.Values(items); !maps.Equal(got, want) {
		t.Errorf("values %q\nwant %q", got, want)
	}
	keys := []string{
		`Software\Classes\streamerp2p\shell\open\command`, `Software\Classes\streamerp2p\shell\open`, `Software\Classes\streamerp2p\shell`,
		`Software\Classes\streamerp2p\DefaultIcon`, `Software\Classes\streamerp2p`,
	}
	if got := desktop.Keys(items); !slices.Equal(got, keys) {
		t.Errorf("keys that go: %q\nwant %q", got, keys)
	}
	if got := desktop.Values(s.Items(false)); len(got) != len(want)-1 {
		t.Errorf("without the start at login there are %d values, want %d", len(got), len(want)-1)
	}
	if last := items[2].String(); last != `menu entry: C:\Users\A B\AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Streamer.lnk` {
		t.Error(last)
	}
	ico := desktop.Icon(items)
	size, at := binary.LittleEndian.Uint32(ico[14:]), binary.LittleEndian.Uint32(ico[18:])
	if int(at+size) != len(ico) {
		t.Errorf("the icon has %d bytes; its picture %d from %d", len(ico), size, at)
	}
	if cfg, err := png.DecodeConfig(bytes.NewReader(ico[at:])); err != nil || cfg.Width != 256 || cfg.Height != 256 {
		t.Errorf("the icon's picture: %v, %v", cfg, err)
	}
}

func TestMacOS(t *testing.T) {
	s := desktop.System{OS: "darwin", Home: "/Users/a", Binary: `/Applications/A & <"B\/streamer`}
	items := s.Items(true)
	script, commands, icon := desktop.Applet(items)
	// AppleScript's text literals know \" and \\; the shell sees what `quoted form of` makes of it.
	for _, want := range []string{
		`on open location theLink` + "\n\t" + `do shell script quoted form of "/Applications/A & <\"B\\/streamer" & " open -- " & quoted form of theLink & " >/dev/null 2>&1 &"`,
		`on run` + "\n\t" + `do shell script quoted form of "/Applications/A & <\"B\\/streamer" & " open" & " >/dev/null 2>&1 &"`,
	} {
		if !strings.Contains(script, want) {
			t.Errorf("the applet is\n%s\nwithout\n%s", script, want)
		}
	}
	var types []struct {
		Schemes []string `json:"CFBundleURLSchemes"`
	}
	for _, c := range commands {
		if len(c) > 4 && c[2] == "CFBundleURLTypes" {
			if err := json.Unmarshal([]byte(c[4]), &types); err != nil {
				t.Error(err)
			}
		}
	}
	if len(types) != 1 || !slices.Equal(types[0].Schemes, []string{"streamerp2p"}) {
		t.Errorf("the bundle's URL types are %v", types)
	}
	if n := binary.BigEndian.Uint32(icon[4:]); int(n) != len(icon) || string(icon[:4]) != "icns" {
		t.Errorf("the icon of %d bytes begins with %q", len(icon), icon[:8])
	}
	if _, err := png.DecodeConfig(bytes.NewReader(icon[16:])); err != nil {
		t.Errorf("the icon's picture: %v", err)
	}
	var words []string
	d := xml.NewDecoder(bytes.NewReader(desktop.LaunchAgent(items)))
	for {
		token, err := d.Token()
		if err == io.EOF { //nolint:errorlint // as it says
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			words = append(words, string(text))
		}
	}
	if want := []string{"Label", "streamerp2p", "ProgramArguments", s.Binary, "run", "--no-open", "RunAtLoad"}; !slices.Equal(words, want) {
		t.Errorf("the start at login says %q, want %q", words, want)
	}
}
