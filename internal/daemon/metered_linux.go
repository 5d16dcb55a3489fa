// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"

	"streamer/internal/web"
)

// NetworkManager tells about the machine's connection over the system bus.
const (
	nmName     = "org.freedesktop.NetworkManager"
	nmPath     = "/org/freedesktop/NetworkManager"
	nmProperty = "Metered"

	meteredAgain = time.Minute // without a bus, or after it went away
)

// watchMetered tells whether the connection is metered, at first and whenever that changes, until ctx ends. Where there is no
// NetworkManager it is unknown.
func watchMetered(ctx context.Context, tell func(web.Metered)) {
	for ctx.Err() == nil {
		followMetered(ctx, tell)
		tell(web.MeteredUnknown)
		again := time.NewTimer(meteredAgain)
		select {
		case <-ctx.Done():
			again.Stop()
		case <-again.C:
		}
	}
}

// followMetered is watchMetered on one connection to the bus. It returns when that ends.
func followMetered(ctx context.Context, tell func(web.Metered)) {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return // a machine without a bus; nothing to tell anybody
	}
	defer bus.Close() //nolint:errcheck // it ends with us
	// From NetworkManager only, and its own coming and going: the bus sees to who may have that name.
	if err = bus.AddMatchSignalContext(ctx, dbus.WithMatchSender(nmName), dbus.WithMatchObjectPath(nmPath),
		dbus.WithMatchInterface("org.freedesktop.DBus.Properties"), dbus.WithMatchMember("PropertiesChanged")); err != nil {
		return
	}
	if err = bus.AddMatchSignalContext(ctx, dbus.WithMatchSender("org.freedesktop.DBus"),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, nmName)); err != nil {
		return
	}
	signals := make(chan *dbus.Signal, 16)
	bus.Signal(signals)
	for {
		tell(askMetered(ctx, bus))
		select {
		case <-ctx.Done():
			return
		case _, ok := <-signals: // whatever it says: ask, so that what is told is what is
			if !ok {
				return
			}
		}
	}
}

// askMetered reads the property (NMMetered): 0 unknown, 1 yes, 2 no, 3 and 4 likely so.
func askMetered(ctx context.Context, bus *dbus.Conn) web.Metered {
	ctx, cancel := context.WithTimeout(ctx, loopStuckAfter)
	defer cancel()
	var value dbus.Variant
	err := bus.Object(nmName, nmPath).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, nmName, nmProperty).
		Store(&value)
	n, ok := value.Value().(uint32)
	switch {
	case err != nil || !ok:
		return web.MeteredUnknown
	case n == 1 || n == 3:
		return web.MeteredYes
	case n == 2 || n == 4:
		return web.MeteredNo
	}
	return web.MeteredUnknown
}
