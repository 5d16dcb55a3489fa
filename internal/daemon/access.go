// SPDX-License-Identifier: MIT

package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"streamer/internal/web"
)

// Files in the data directory by which programs of the same user get at the node. Both are SECRET.
const (
	tokenFile    = "control-token" // web.TokenHeader; another one at each start
	passwordFile = "http-password" // made when the page is open to other machines and nobody gave one
)

const (
	passwordBytesMin = 8
	passwordBytesMax = 256
)

// keepToken writes the token of a running node down. Nodes with one data directory overwrite each other's.
func keepToken(dir, token string) error {
	if err := makePrivateDir(dir); err != nil {
		return err
	}
	return writeFileAtomic(filepath.Join(dir, tokenFile), []byte(token+"\n"), 0o600, true)
}

// openPassword says what the page's password is; "" where it needs none: on this machine only.
func (d *Daemon) openPassword() error {
	d.password = d.opts.HTTPPassword
	tcp, ok := d.listener.Addr().(*net.TCPAddr)
	if d.password == "" && (!ok || !tcp.IP.IsLoopback()) {
		dir, err := d.opts.dataDir()
		if err == nil {
			d.password, err = keptPassword(dir)
		}
		if err != nil {
			return fmt.Errorf("a page that other machines reach needs a password: %w", err)
		}
		d.passwordMade = true
	}
	if n := len(d.password); n > 0 && n < passwordBytesMin || n > passwordBytesMax {
		return fmt.Errorf("a password of %d bytes for the page (--http-password): use %d to %d", n, passwordBytesMin, passwordBytesMax)
	}
	return nil
}

// keptPassword reads the password that was made once, or makes it.
func keptPassword(dir string) (string, error) {
	password, err := KeptPassword(dir)
	if password != "" || err != nil {
		return password, err
	}
	if err = makePrivateDir(dir); err != nil {
		return "", err
	}
	password = strings.ToLower(rand.Text()[:16]) // 80 bits
	err = writeFileAtomic(filepath.Join(dir, passwordFile), []byte(password+"\n"), 0o600, false)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return KeptPassword(dir)
	}
	return password, err
}

// KeptPassword reads the password of the page that a node with this data directory made; "" when there is none.
func KeptPassword(dir string) (string, error) {
	b, err := readFileBounded(filepath.Join(dir, passwordFile), passwordBytesMax+2)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	password := strings.TrimSpace(string(b))
	if password == "" {
		return "", fmt.Errorf("%s is empty: remove it, and the next start makes another", filepath.Join(dir, passwordFile))
	}
	return password, nil
}

// OnThisMachine reports whether HOST:PORT, or an http URL, is an address of this machine: only there is a kept password shown.
func OnThisMachine(addr string) bool {
	addr = strings.TrimSuffix(strings.TrimPrefix(addr, "http://"), "/")
	host, _, err := net.SplitHostPort(reachable(addr))
	if err != nil || host == "localhost" {
		return err == nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.IsLoopback() {
		return err == nil
	}
	own, _ := net.InterfaceAddrs()
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip.AsSlice()) {
			return true
		}
	}
	return false
}

// tokenIn finds the token in the page of a node.
func tokenIn(page string) (string, error) {
	_, rest, found := strings.Cut(page, `<meta name="streamer-token" content="`)
	token, _, ended := strings.Cut(rest, `"`)
	if !found || !ended || token == "" {
		return "", errors.New("its page holds no token (" + web.TokenHeader + "): it is of another version")
	}
	return token, nil
}
