// SPDX-License-Identifier: MIT

package archtest

// ImportRule says who may import whom inside the module. "a < b" means that b may import a and all that is below a;
// everything else is refused, and so is a package that is not named. Names are below internal/ unless they say
// otherwise. docs/architecture.md repeats the text.
const ImportRule = `
mono, identity              < wire, codec
wire                        < link, gossip, mesh, reach
mono                        < uplink
link, gossip, mesh, reach   < node
uplink                      < node
node                        < sim, daemon, web
codec                       < sim, ingest, playback, sound, mpris
identity                    < lan, dht
udp, ingest, playback, web  < daemon
lan, dht, portmap           < daemon
sim, daemon, demo, desktop  < cmd/streamer
sound, mpris                < cmd/streamer
node, codec                 < lab/load
lab/browser                 < lab/players
lab/players                 < lab/page
lab/netlab, lab/tools, lab/players < lab, lab/nat, lab/sources
lab/netlab                  < lab/crowd, lab/lan, lab/page, lab/players
NONE                        < demo/generate, archtest, dht/swarm, lab/sound
`

// TestImportRule says what test files may import beyond their own package's rule, and why.
const TestImportRule = `
# The simulator's runs are compared with the daemon's (driver parity). Daemons meet through a private DHT.
daemon: sim dht/swarm
# A private DHT of the library's own members.
dht: dht/swarm
# Real broadcast tools play into the source port.
ingest: lab/tools
# Real players play what playback serves, a browser what the page shows.
lab/players: playback web
# Nodes find each other on real links.
lab/lan: lan demo
# A real router maps ports.
lab/portmap: portmap
# Scenarios of the simulator, played by real nodes.
lab/crowd: sim
`

// ModuleRule says which packages may import a module, or a package of the standard library that needs watching. Modules
// that are not named are refused; packages of the standard library are free unless named.
const ModuleRule = `
filippo.io/age:                 daemon
github.com/BurntSushi/toml:     cmd/streamer sim
github.com/alecthomas/kong:     cmd/streamer
github.com/anacrolix/dht:       dht dht/swarm
github.com/ebitengine/oto:      sound
github.com/flynn/noise:         link
github.com/godbus/dbus:         daemon mpris
github.com/hajimehoshi/go-mp3:  sound
github.com/huin/goupnp:         portmap
github.com/jfreymuth/pulse:     sound
github.com/jfreymuth/vorbis:    sound
github.com/pion/opus:           sound
golang.org/x/crypto:            wire link
golang.org/x/net:               lan portmap
golang.org/x/sys:               udp portmap desktop lab lab/lan lab/load lab/netlab lab/portmap
golang.org/x/term:              cmd/streamer
golang.org/x/text:              ingest
golang.org/x/time:              lan dht dht/swarm
rsc.io/qr:                      web

github.com/anacrolix/torrent:    TESTS
github.com/rogpeppe/go-internal: TESTS
go.uber.org/goleak:              TESTS

log/slog:  identity udp lan dht portmap daemon ingest playback web cmd/streamer
log:       NONE
flag:      demo/generate lab/load
unsafe:    udp portmap lab/load
math/rand: NONE
`

// corePackages are the deterministic core: no I/O, no clock, one owner.
var corePackages = []string{
	"mono", "identity", "wire", "codec", "link", "gossip", "mesh", "reach", "uplink", "node",
}

// coreImports are the packages of the standard library that the core may use: those that only compute. A pattern that
// ends in /... holds for all below.
var coreImports = []string{
	"bytes", "cmp", "container/heap", "crypto/...", "encoding/...", "errors", "fmt", "hash", "hash/...", "io", "iter", "maps",
	"math", "math/bits", "math/rand/v2", "net/netip", "net/url", "slices", "sort", "strconv", "strings", "time",
	"unicode", "unicode/...",
	"log/slog", // for LogValue, which keeps keys out of logs; ModuleRule says who
}

// coreRefusedImports are exceptions to coreImports.
var coreRefusedImports = []string{"crypto/rand", "crypto/tls"}

// coreRefusedCalls are functions of allowed packages that read a clock, wait, print, or draw global randomness.
var coreRefusedCalls = map[string][]string{
	"time": {
		"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "LoadLocation",
	},
	"fmt": {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"math/rand/v2": {
		"Int", "IntN", "Int32", "Int32N", "Int64", "Int64N", "Uint", "UintN", "Uint32", "Uint32N", "Uint64", "Uint64N",
		"Float32", "Float64", "ExpFloat64", "NormFloat64", "N", "Perm", "Shuffle",
	},
	// They ignore the source of randomness that they are given (Go 1.26): derive keys from seed bytes.
	"crypto/ecdh":    {"GenerateKey"},
	"crypto/ed25519": {"GenerateKey"},
}

// coreImmutable are types of package-level variables in the core that nobody can change though they are pointers or
// interfaces.
var coreImmutable = []string{
	"*encoding/base32.Encoding", "*encoding/base64.Encoding", "*hash/crc32.Table", "*strings.Replacer",
	"github.com/flynn/noise.CipherSuite", "encoding/binary.bigEndian", "encoding/binary.littleEndian",
}

// programs are the directories of package main: the only binary, what go generate runs, and the lab's load.
var programs = []string{"cmd/streamer", "internal/demo/generate", "lab/load"}

// Limits for files that people write and read. Tests and generated files are exempt.
const (
	fileLinesMax     = 400
	functionLinesMax = 70
)

// licenceLine begins every Go file.
const licenceLine = "// SPDX-License-Identifier: MIT"
