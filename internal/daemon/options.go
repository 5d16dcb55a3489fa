// SPDX-License-Identifier: MIT

package daemon

import (
	"io"
	"log/slog"

	"streamer/internal/codec"
	"streamer/internal/identity"
	"streamer/internal/node"
)

// Limits of what one daemon is asked to do.
const (
	SeedsMax    = 64               // Options.Seeds
	StationsMax = node.StationsMax // stations carried at once, one's own included
)

// Options say what a daemon does. The zero value of a field means what its comment says.
type Options struct {
	DataDir      string            // keys and settings; "" DefaultDataDir
	Port         int               // UDP; 0 any free one
	HTTP         string            // HOST:PORT of the page and the API, port 0 any free one; "" none
	HTTPPassword string            // SECRET: whoever asks there shows it; "" none on loopback, else one that is made and kept
	UploadBPS    int64             // hard cap in bit/s of IP packets; 0 gives nothing, -1 (node.UploadAuto) measures
	Seeds        []string          // HOST:PORT of hosts to start from
	Listen       []identity.Link   // stations to tune in for as long as the daemon runs
	Relay        []identity.Link   // stations to help without listening
	Broadcast    *BroadcastOptions // a station of one's own; nil none

	LAN         bool // look for nodes on the local network, and be found
	DHT         bool // ask the BitTorrent DHT when nobody else answers, and announce one's own station there
	Portmap     bool // ask the router for a port
	NoCarry     bool // never relay a station for those who reach nobody else that has it; not with Record
	NoGossip    bool // neither ask for hosts and stations nor answer: only links and their peers are known; not with Record
	KeepNodeKey bool // the node's identity is the same at each start: for hosts that others start from

	Version   string       // for the page and the status
	Announce  []string     // HOST:PORT peers in the links of one's own station; nil: this machine's addresses
	ReadyFile string       // where to write a Ready; "" nowhere
	OnReady   func(Ready)  // called once, from Run's goroutine; may be nil
	OnLink    func(string) // called when the link to one's own station is another one; may be nil; not with Announce
	Record    string       // file to record all calls of the core to, SECRETS INCLUDED; "" none
	Log       *slog.Logger // nil discards

	mainline mainlineOptions // which DHT, and when it is asked
}

// BroadcastOptions say what goes on the air and how it comes in.
type BroadcastOptions struct {
	Station string      // name of a key in the data directory, or a key file; "" is DefaultStation, made when missing
	Info    codec.Event // station fields that win over those kept with the key; "" keeps

	// Either a source port for broadcast tools ...
	Source   string // HOST:PORT
	Password string
	Mount    string // the only mount that is taken; "" any

	// ... or things to play: files, folders, playlists, http(s) streams, "-" for Stdin.
	Inputs  []string
	Shuffle bool
	Once    bool // end after the last input instead of beginning again
	Stdin   io.Reader
}

// Ready tells that a daemon serves, and where. It is what --ready-file holds.
type Ready struct {
	HTTP      string `json:"http,omitempty"`       // URL
	UDP       int    `json:"udp"`                  // port
	Source    string `json:"source,omitempty"`     // HOST:PORT
	Link      string `json:"link,omitempty"`       // of one's own station
	StationID string `json:"station_id,omitempty"` // likewise

	Password string `json:"-"` // SECRET: of HTTP, when it was made; not in the file, which anybody may read
}

// dataDir is where keys and settings are.
func (o *Options) dataDir() (string, error) {
	if o.DataDir != "" {
		return o.DataDir, nil
	}
	return DefaultDataDir()
}
