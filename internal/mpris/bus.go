// SPDX-License-Identifier: MIT

//go:build linux || freebsd || netbsd || openbsd || dragonfly

package mpris

import (
	"fmt"
	"os"
	"sync"

	"github.com/godbus/dbus/v5"
)

// Names on the bus.
const (
	busName         = "org.mpris.MediaPlayer2.streamer"
	objectPath      = dbus.ObjectPath("/org/mpris/MediaPlayer2")
	rootInterface   = "org.mpris.MediaPlayer2"
	playerInterface = rootInterface + ".Player"
	propsInterface  = "org.freedesktop.DBus.Properties"
	trackPath       = "/streamer/track/"
)

// A Bus is a player on the session bus.
type Bus struct {
	conn     *dbus.Conn
	controls Controls

	mu    sync.Mutex
	state State
	track int // counts what is shown
}

// Open puts a player on the session bus. A second one of this user gets a name with its process id, as MPRIS has it.
func Open(c Controls) (*Bus, error) {
	conn, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	b := &Bus{conn: conn, controls: c, state: State{Status: Stopped, Volume: 1}}
	if err = conn.Auth(nil); err == nil {
		err = conn.Hello()
	}
	if err == nil {
		err = b.export()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBus, joinClose(err, conn))
	}
	return b, nil
}

func joinClose(err error, conn *dbus.Conn) error {
	_ = conn.Close() // the first error says more
	return err
}

func (b *Bus) export() error {
	for _, object := range []struct {
		value any
		name  string
	}{
		{rootObject{b}, rootInterface},
		{playerObject{b}, playerInterface},
		{propsObject{b}, propsInterface},
		{introspection{}, "org.freedesktop.DBus.Introspectable"},
	} {
		if err := b.conn.ExportWithMap(object.value, busNames(), objectPath, object.name); err != nil {
			return err
		}
	}
	for _, name := range []string{busName, fmt.Sprintf("%s.instance%d", busName, os.Getpid())} {
		reply, err := b.conn.RequestName(name, dbus.NameFlagDoNotQueue)
		if err != nil {
			return err
		}
		if reply == dbus.RequestNameReplyPrimaryOwner {
			return nil
		}
	}
	return fmt.Errorf("the name %s is taken", busName)
}

// Close takes the player off the bus.
func (b *Bus) Close() { _ = b.conn.Close() } // it may be gone already

// Show tells the desktop what is heard.
func (b *Bus) Show(s State) {
	b.mu.Lock()
	before := b.player()
	if s.Event != b.state.Event || s.Station != b.state.Station {
		b.track++
	}
	b.state = s
	changed := map[string]dbus.Variant{}
	for name, value := range b.player() {
		if value.String() != before[name].String() {
			changed[name] = value
		}
	}
	b.mu.Unlock()
	if len(changed) > 0 { // whoever does not hear it was not there
		_ = b.conn.Emit(objectPath, propsInterface+".PropertiesChanged", playerInterface, changed, []string{})
	}
}

// player returns the properties of the player. b.mu is held.
func (b *Bus) player() map[string]dbus.Variant {
	v := dbus.MakeVariant
	return map[string]dbus.Variant{
		"PlaybackStatus": v(string(b.state.Status)), "Metadata": v(b.metadata()), "Volume": v(b.state.Volume),
		"Rate": v(1.0), "MinimumRate": v(1.0), "MaximumRate": v(1.0), "Position": v(int64(0)),
		"CanGoNext": v(false), "CanGoPrevious": v(false), "CanPlay": v(true), "CanPause": v(true), "CanSeek": v(false),
		"CanControl": v(true),
	}
}

// metadata names the track, and the station where desktops show an album; the station where there is no title.
func (b *Bus) metadata() map[string]dbus.Variant {
	e := b.state.Event
	m := map[string]dbus.Variant{"mpris:trackid": dbus.MakeVariant(dbus.ObjectPath(fmt.Sprint(trackPath, b.track)))}
	set := func(name, text string) {
		if text != "" {
			m[name] = dbus.MakeVariant(text)
		}
	}
	if e.Title == "" && e.Artist == "" {
		set("xesam:title", b.state.Station)
	} else {
		set("xesam:title", e.Title)
		set("xesam:album", b.state.Station)
	}
	if e.Artist != "" {
		m["xesam:artist"] = dbus.MakeVariant([]string{e.Artist})
	}
	if e.Genre != "" {
		m["xesam:genre"] = dbus.MakeVariant([]string{e.Genre})
	}
	return m
}

func rootProperties() map[string]dbus.Variant {
	v := dbus.MakeVariant
	return map[string]dbus.Variant{
		"Identity": v("Streamer"), "DesktopEntry": v("streamer"), "CanQuit": v(true), "CanRaise": v(false),
		"HasTrackList": v(false), "SupportedUriSchemes": v([]string{}), "SupportedMimeTypes": v([]string{}),
	}
}
