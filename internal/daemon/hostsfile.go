// SPDX-License-Identifier: MIT

package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"streamer/internal/gossip"
	"streamer/internal/identity"
	"streamer/internal/wire"
)

// hostsFile is the name of the file in the data directory that holds hosts and stations from one run to the next.
const hostsFile = "hosts.json"

// Limits of that file.
const (
	hostsBytesMax    = 16 << 20
	savedHostsMax    = 4096
	savedStationsMax = 8192
)

// A savedHost is a host in the file.
type savedHost struct {
	Addr  netip.AddrPort `json:"addr"`
	Node  string         `json:"node,omitempty"`
	Tried bool           `json:"tried,omitempty"`
}

// savedHosts is the file: JSON, so that people can read whom their node knows. Station records are base64.
type savedHosts struct {
	Hosts    []savedHost      `json:"hosts"`
	Anchors  []netip.AddrPort `json:"anchors,omitempty"`
	Stations [][]byte         `json:"stations,omitempty"`
}

// writeHosts writes the file, atomically: whom a node knows is nobody else's business.
func writeHosts(path string, s gossip.Saved) error {
	b, err := json.Marshal(fileOfHosts(s))
	if err != nil {
		return fmt.Errorf("encode the hosts: %w", err)
	}
	return writeFileAtomic(path, append(b, '\n'), 0o600, true)
}

func fileOfHosts(s gossip.Saved) savedHosts {
	f := savedHosts{Hosts: make([]savedHost, 0, len(s.Hosts)), Anchors: s.Anchors, Stations: s.Records}
	for _, h := range s.Hosts {
		saved := savedHost{Addr: h.Addr, Tried: h.Tried}
		if !h.Node.IsZero() {
			saved.Node = h.Node.String()
		}
		f.Hosts = append(f.Hosts, saved)
	}
	return f
}

// HostsKept reports whether an earlier run left hosts to start from; dataDir is Options.DataDir.
func HostsKept(dataDir string) bool {
	dir, err := (&Options{DataDir: dataDir}).dataDir()
	if err != nil {
		return false
	}
	s, err := readHosts(filepath.Join(dir, hostsFile))
	return err == nil && len(s.Hosts) > 0
}

// readHosts reads the file; that there is none is no error. Records are verified by the node.
func readHosts(path string) (gossip.Saved, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return gossip.Saved{}, nil
	}
	if err != nil {
		return gossip.Saved{}, fmt.Errorf("read the hosts: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(file, hostsBytesMax+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return gossip.Saved{}, fmt.Errorf("read the hosts: %w", err)
	}
	s, err := parseHosts(b)
	if err != nil {
		return gossip.Saved{}, fmt.Errorf("%s: %w (remove it, and the node begins with its seeds)", path, err)
	}
	return s, nil
}

func parseHosts(b []byte) (gossip.Saved, error) {
	if len(b) > hostsBytesMax {
		return gossip.Saved{}, fmt.Errorf("longer than %d bytes", hostsBytesMax)
	}
	var f savedHosts
	if err := json.Unmarshal(b, &f); err != nil {
		return gossip.Saved{}, fmt.Errorf("no list of hosts: %w", err)
	}
	if len(f.Hosts) > savedHostsMax || len(f.Stations) > savedStationsMax {
		return gossip.Saved{}, errors.New("more hosts or stations than any node keeps")
	}
	s := gossip.Saved{Anchors: f.Anchors, Records: f.Stations}
	for _, h := range f.Hosts {
		host := gossip.SavedHost{Host: wire.Host{Addr: h.Addr}, Tried: h.Tried}
		if h.Node != "" {
			id, err := identity.ParseNodeID(h.Node)
			if err != nil {
				return gossip.Saved{}, fmt.Errorf("host %v: %w", h.Addr, err)
			}
			host.Node = id
		}
		s.Hosts = append(s.Hosts, host)
	}
	return s, nil
}
