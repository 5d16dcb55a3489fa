// SPDX-License-Identifier: MIT

//go:build linux || freebsd || netbsd || openbsd || dragonfly

package mpris

import (
	"fmt"
	"math"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"
)

// The methods of these types are what the bus can call.

type rootObject struct{ bus *Bus }

func (rootObject) Raise() *dbus.Error { return nil } // there is no window

func (o rootObject) Quit() *dbus.Error {
	o.bus.controls.Stop()
	return nil
}

type playerObject struct{ bus *Bus }

func (o playerObject) Play() *dbus.Error {
	o.bus.controls.Pause(false)
	return nil
}

func (o playerObject) Pause() *dbus.Error {
	o.bus.controls.Pause(true)
	return nil
}

func (o playerObject) PlayPause() *dbus.Error {
	o.bus.mu.Lock()
	paused := o.bus.state.Status == Paused
	o.bus.mu.Unlock()
	o.bus.controls.Pause(!paused)
	return nil
}

func (o playerObject) Stop() *dbus.Error {
	o.bus.controls.Stop()
	return nil
}

// busNames are the methods whose names on the bus are others than in Go.
func busNames() map[string]string { return map[string]string{"SeekBy": "Seek", "OpenURI": "OpenUri"} }

// What a radio cannot do has no effect, as MPRIS asks.

func (playerObject) Next() *dbus.Error                              { return nil }
func (playerObject) Previous() *dbus.Error                          { return nil }
func (playerObject) SeekBy(int64) *dbus.Error                       { return nil }
func (playerObject) SetPosition(dbus.ObjectPath, int64) *dbus.Error { return nil }
func (playerObject) OpenURI(string) *dbus.Error                     { return nil }

type propsObject struct{ bus *Bus }

func (o propsObject) GetAll(iface string) (map[string]dbus.Variant, *dbus.Error) {
	switch iface {
	case rootInterface:
		return rootProperties(), nil
	case playerInterface:
		o.bus.mu.Lock()
		defer o.bus.mu.Unlock()
		return o.bus.player(), nil
	}
	return nil, refused("UnknownInterface", "no interface "+iface)
}

func (o propsObject) Get(iface, name string) (dbus.Variant, *dbus.Error) {
	all, err := o.GetAll(iface)
	if err != nil {
		return dbus.Variant{}, err
	}
	value, ok := all[name]
	if !ok {
		return dbus.Variant{}, refused("UnknownProperty", "no property "+name)
	}
	return value, nil
}

func (o propsObject) Set(iface, name string, value dbus.Variant) *dbus.Error {
	if _, err := o.Get(iface, name); err != nil {
		return err
	}
	v, number := value.Value().(float64)
	switch {
	case name != "Volume" && name != "Rate":
		return refused("PropertyReadOnly", name+" cannot be set")
	case !number || math.IsNaN(v) || math.IsInf(v, 0):
		return refused("InvalidArgs", fmt.Sprintf("%s needs a number", name))
	case name == "Volume":
		o.bus.controls.SetVolume(max(0, v))
	case v == 0: // a rate of 0 means to pause
		o.bus.controls.Pause(true)
	}
	return nil
}

func refused(name, why string) *dbus.Error {
	return dbus.NewError("org.freedesktop.DBus.Error."+name, []any{why})
}

type introspection struct{}

// Introspect describes the object.
func (introspection) Introspect() (string, *dbus.Error) { return introspectText, nil }

// introspectText is the part of MPRIS that is offered.
const introspectText = introspect.IntrospectDeclarationString + `<node>
 <interface name="org.mpris.MediaPlayer2">
  <method name="Raise"/><method name="Quit"/>
  <property name="CanQuit" type="b" access="read"/><property name="CanRaise" type="b" access="read"/>
  <property name="HasTrackList" type="b" access="read"/><property name="Identity" type="s" access="read"/>
  <property name="DesktopEntry" type="s" access="read"/>
  <property name="SupportedUriSchemes" type="as" access="read"/><property name="SupportedMimeTypes" type="as" access="read"/>
 </interface>
 <interface name="org.mpris.MediaPlayer2.Player">
  <method name="Next"/><method name="Previous"/><method name="Pause"/><method name="PlayPause"/><method name="Stop"/>
  <method name="Play"/>
  <method name="Seek"><arg name="Offset" type="x" direction="in"/></method>
  <method name="SetPosition"><arg name="TrackId" type="o" direction="in"/><arg name="Position" type="x" direction="in"/></method>
  <method name="OpenUri"><arg name="Uri" type="s" direction="in"/></method>
  <property name="PlaybackStatus" type="s" access="read"/><property name="Metadata" type="a{sv}" access="read"/>
  <property name="Volume" type="d" access="readwrite"/><property name="Rate" type="d" access="readwrite"/>
  <property name="MinimumRate" type="d" access="read"/><property name="MaximumRate" type="d" access="read"/>
  <property name="Position" type="x" access="read"/>
  <property name="CanGoNext" type="b" access="read"/><property name="CanGoPrevious" type="b" access="read"/>
  <property name="CanPlay" type="b" access="read"/><property name="CanPause" type="b" access="read"/>
  <property name="CanSeek" type="b" access="read"/><property name="CanControl" type="b" access="read"/>
 </interface>` + introspect.IntrospectDataString + `</node>`
