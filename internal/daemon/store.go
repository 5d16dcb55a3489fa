// SPDX-License-Identifier: MIT

package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"streamer/internal/codec"
	"streamer/internal/identity"
)

// DefaultStation is the key that a broadcast uses when none is named.
const DefaultStation = "default"

const (
	stationNameBytesMax = 64
	storedStationsMax   = 4096
	keyFileSuffix       = ".json"
)

// Errors of a Store that callers tell apart.
var (
	ErrNoStation     = errors.New("no such station")
	ErrStationExists = errors.New("a station of this name exists already")
)

// A Station is a station of one's own: its secret key and what its broadcaster says of it.
type Station struct {
	Name      string              // of the key in the Store; "" when it is a file elsewhere
	Key       identity.StationKey // SECRET
	Info      codec.Event         // station fields only
	LastEpoch uint32              // the last epoch that was on the air; the next one is above it

	path string
}

// Link is the link to the station with these peers as hints.
func (s Station) Link(peers []string) identity.Link {
	name := s.Info.StationName
	if name == "" && s.Name != DefaultStation {
		name = s.Name
	}
	return identity.Link{Station: s.Key.ID(), Name: clipName(name), Peers: peers}
}

// clipName makes a name fit for a link.
func clipName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if len(name) <= identity.LinkNameBytesMax {
		return name
	}
	return strings.ToValidUTF8(name[:identity.LinkNameBytesMax], "")
}

// A Store keeps stations of one's own, one file each, in the data directory. Its methods may be used by any goroutine;
// several processes may use one directory.
type Store struct {
	dir        string
	workFactor int // of exports: log2 of scrypt's N
}

// OpenStore opens or makes the stations of a data directory; "" is DefaultDataDir.
func OpenStore(dataDir string) (*Store, error) {
	if dataDir == "" {
		var err error
		if dataDir, err = DefaultDataDir(); err != nil {
			return nil, err
		}
	}
	dir := filepath.Join(dataDir, "stations")
	for _, d := range []string{dataDir, dir} {
		if err := makePrivateDir(d); err != nil {
			return nil, err
		}
	}
	return &Store{dir: dir, workFactor: exportWorkFactor}, nil
}

// New makes a station with a new key, whose seed is read from secrets.
func (s *Store) New(name string, info codec.Event, secrets io.Reader) (Station, error) {
	path, err := s.path(name)
	if err != nil {
		return Station{}, err
	}
	var seed [identity.KeyBytes]byte
	if _, err := io.ReadFull(secrets, seed[:]); err != nil {
		return Station{}, fmt.Errorf("draw a station key: %w", err)
	}
	st := Station{Name: name, Key: identity.NewStationKey(seed), Info: stationFields(info), path: path}
	return st, st.write(false)
}

// List returns all stations, by name. A damaged file is an error beside those that are whole.
func (s *Store) List() ([]Station, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list stations: %w", err)
	}
	var list []Station
	var damaged error
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), keyFileSuffix)
		if !ok || checkStationName(name) != nil || len(list) == storedStationsMax {
			continue
		}
		st, err := s.Load(name)
		if err != nil {
			damaged = errors.Join(damaged, err)
			continue
		}
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b Station) int { return strings.Compare(a.Name, b.Name) })
	return list, damaged
}

// Load reads a station by name.
func (s *Store) Load(name string) (Station, error) {
	path, err := s.path(name)
	if err != nil {
		return Station{}, err
	}
	st, err := readStation(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Station{}, fmt.Errorf("%w %q: `streamer station list` shows those there are", ErrNoStation, name)
	}
	st.Name = name
	return st, err
}

// Open reads a station by name or, when that says where (a separator or .json in it), by file.
func (s *Store) Open(nameOrFile string) (Station, error) {
	if checkStationName(nameOrFile) == nil && !strings.HasSuffix(nameOrFile, keyFileSuffix) {
		return s.Load(nameOrFile)
	}
	st, err := readStation(nameOrFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Station{}, fmt.Errorf("%w: there is no file %s", ErrNoStation, nameOrFile)
	}
	return st, err
}

// OpenOrNew is Open, but makes DefaultStation, with info, when it is asked for, or "", and missing.
func (s *Store) OpenOrNew(nameOrFile string, info codec.Event, secrets io.Reader) (Station, error) {
	if nameOrFile == "" {
		nameOrFile = DefaultStation
	}
	st, err := s.Open(nameOrFile)
	if nameOrFile != DefaultStation || !errors.Is(err, ErrNoStation) {
		return st, err
	}
	st, err = s.New(DefaultStation, info, secrets)
	if errors.Is(err, ErrStationExists) { // another process was faster
		return s.Load(DefaultStation)
	}
	return st, err
}

// Save replaces a station's settings. The key stays what it is.
func (s *Store) Save(st Station) error { return st.write(true) }

// NextEpoch draws the next epoch, at least unix (seconds since 1970), and keeps it, so that no later one is ever the
// same or below: listeners take an older epoch for a replay.
func (s *Store) NextEpoch(st *Station, unix int64) (uint32, error) {
	if st.LastEpoch == 1<<32-1 {
		return 0, fmt.Errorf("station %s has used up its epochs: make a new one", st.Key.ID().Short())
	}
	if disk, err := readStation(st.path); err == nil && disk.Key.ID() == st.Key.ID() {
		st.LastEpoch = max(st.LastEpoch, disk.LastEpoch) // another process broadcast in between
	}
	st.LastEpoch = uint32(min(max(int64(st.LastEpoch)+1, unix), 1<<32-1))
	return st.LastEpoch, st.write(true)
}

func (s *Store) path(name string) (string, error) {
	if err := checkStationName(name); err != nil {
		return "", err
	}
	return filepath.Join(s.dir, name+keyFileSuffix), nil
}

func checkStationName(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	if name == "" || len(name) > stationNameBytesMax || name[0] == '.' || strings.Trim(name, letters) != "" {
		return fmt.Errorf("station name %q must be 1 to %d letters, digits, '-', '_' or '.', and not begin with '.'",
			name, stationNameBytesMax)
	}
	return nil
}

// stationFields is e without what belongs to a track.
func stationFields(e codec.Event) codec.Event {
	return codec.Event{StationName: e.StationName, Genre: e.Genre, Description: e.Description, URL: e.URL}
}
