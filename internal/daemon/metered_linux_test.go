// SPDX-License-Identifier: MIT

package daemon_test

import (
	"bufio"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"

	"streamer/internal/daemon"
)

// A networkManager says on a bus of its own whether the connection is metered, as the real one does.
type networkManager struct {
	bus   *dbus.Conn
	props *prop.Properties
}

// newBus starts a bus that daemons take for the system's.
func newBus(t *testing.T) (address string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "dbus-daemon", "--session", "--nofork", "--print-address")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); errors.Is(err, exec.ErrNotFound) {
		t.Fatal("dbus-daemon is missing: apt-get install dbus (make test does)")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	address, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(address)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
	return address
}

func newNetworkManager(t *testing.T, address string, metered uint32) *networkManager {
	t.Helper()
	bus, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	const name = "org.freedesktop.NetworkManager"
	props, err := prop.Export(bus, "/org/freedesktop/NetworkManager", prop.Map{
		name: {"Metered": {Value: metered, Writable: false, Emit: prop.EmitTrue}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := bus.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	return &networkManager{bus, props}
}

// A metered connection is not given anything on, unless that is allowed; what somebody chose comes back with another connection.
func TestMetered(t *testing.T) {
	address := newBus(t)
	r := start(t, daemon.Options{})
	is := func(what string, metered any, budget int64) {
		t.Helper()
		wait(t, what, func() bool {
			_, fields := r.get(t, "api/v1/settings")
			got := int64(-1)
			if b := r.status(t).Upload.BudgetBPS; b != nil {
				got = *b
			}
			return fields["metered"] == metered && got == budget
		})
	}
	is("without a NetworkManager it is unknown", nil, -1)
	nm := newNetworkManager(t, address, 1)
	is("it comes and says metered", true, 0)
	nm.props.SetMust("org.freedesktop.NetworkManager", "Metered", uint32(2))
	is("not metered", false, -1)
	nm.props.SetMust("org.freedesktop.NetworkManager", "Metered", uint32(3))
	is("likely metered", true, 0)
	r.patch(t, `{"upload_bps":70000}`)
	is("a limit says nothing of metered connections", true, 0)
	r.patch(t, `{"metered_upload":true}`)
	is("metered, and allowed", true, 70000)
	r.patch(t, `{"metered_upload":false}`)
	is("no longer allowed", true, 0)
	nm.props.SetMust("org.freedesktop.NetworkManager", "Metered", uint32(4))
	is("likely not metered", false, 70000)
	nm.props.SetMust("org.freedesktop.NetworkManager", "Metered", uint32(77))
	is("a word that nobody knows", nil, 70000)
	nm.props.SetMust("org.freedesktop.NetworkManager", "Metered", uint32(1))
	is("metered again", true, 0)
	if err := nm.bus.Close(); err != nil {
		t.Fatal(err)
	}
	is("it has gone", nil, 70000)
}
