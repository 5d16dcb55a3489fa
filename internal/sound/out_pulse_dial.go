// SPDX-License-Identifier: MIT

//go:build linux || freebsd || netbsd || openbsd || dragonfly

package sound

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jfreymuth/pulse/proto"
)

// openOutput connects to the first server that answers.
func openOutput(name string) (output, error) {
	var failed error
	for _, address := range pulseServers() {
		p, err := dialPulse(name, address)
		if err == nil {
			return p, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, fmt.Errorf("%w (PulseAudio, or PipeWire with pipewire-pulse): %w", ErrNoSound, failed)
}

// pulseServers are the addresses to try: those in PULSE_SERVER, else where servers of this user listen.
func pulseServers() []string {
	if list := strings.Fields(os.Getenv("PULSE_SERVER")); len(list) > 0 {
		return list
	}
	var list []string
	for _, place := range [][]string{
		{os.Getenv("PULSE_RUNTIME_PATH"), "native"},
		{os.Getenv("XDG_RUNTIME_DIR"), "pulse/native"},
		{"/run/user", fmt.Sprint(os.Getuid()), "pulse/native"},
	} {
		if path := filepath.Join(place...); place[0] != "" {
			if _, err := os.Stat(path); err == nil {
				list = append(list, path)
			}
		}
	}
	if len(list) == 0 {
		list = append(list, filepath.Join("/run/user", fmt.Sprint(os.Getuid()), "pulse/native"))
	}
	return list
}

// cookie is what proves to the server that this is the same user.
func cookie() []byte {
	for _, path := range []string{
		os.Getenv("PULSE_COOKIE"), os.Getenv("XDG_CONFIG_HOME") + "/pulse/cookie", os.Getenv("HOME") + "/.config/pulse/cookie",
		os.Getenv("HOME") + "/.pulse-cookie",
	} {
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 && len(b) <= cookieBytesMax {
			return b
		}
	}
	return make([]byte, cookieBytesMax) // good for servers that ask for none
}

// dialPulse connects to one server; address as in PULSE_SERVER, without its rarer forms.
func dialPulse(name, address string) (*pulse, error) {
	if end := strings.IndexByte(address, '}'); strings.HasPrefix(address, "{") && end > 0 {
		address = address[end+1:] // the name of the machine that it is for
	}
	network, at, ok := strings.Cut(address, ":")
	if !ok || strings.HasPrefix(address, "/") {
		network, at = "unix", address
	}
	if network != "unix" && !strings.HasPrefix(network, "tcp") {
		return nil, fmt.Errorf("sound server %s: not an address that is known here", address)
	}
	if strings.HasPrefix(network, "tcp") && !strings.Contains(at, ":") {
		at += ":4713"
	}
	conn, err := net.DialTimeout(network, at, pulseAnswer)
	if err != nil {
		return nil, err
	}
	p := &pulse{name: name, lost: make(chan struct{}), more: make(chan struct{}), volume: -1}
	p.conn = &pulseConn{conn, p.lose}
	p.client.SetTimeout(pulseAnswer)
	p.client.Callback = p.notice
	p.client.Open(p.conn)
	var auth proto.AuthReply
	err = p.client.Request(&proto.Auth{Version: p.client.Version(), Cookie: cookie()}, &auth)
	if err == nil {
		p.client.SetVersion(auth.Version)
		err = p.client.Request(&proto.SetClientName{Props: proto.PropList{
			"application.name":       proto.PropListString(name),
			"application.icon_name":  proto.PropListString("audio-x-generic"),
			"application.process.id": proto.PropListString(fmt.Sprint(os.Getpid())),
		}}, &proto.SetClientNameReply{})
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("sound server %s: %w", address, err)
	}
	return p, nil
}

// A pulseConn tells of the connection's end, whichever way that comes, and waits for no server that does not read.
type pulseConn struct {
	net.Conn
	lose func()
}

func (c *pulseConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.lose()
	}
	return n, err
}

func (c *pulseConn) Write(b []byte) (int, error) {
	err := c.SetWriteDeadline(time.Now().Add(pulseStuck))
	n := 0
	if err == nil {
		n, err = c.Conn.Write(b)
	}
	if err != nil {
		c.lose()
	}
	return n, err
}
