// SPDX-License-Identifier: MIT

package daemon

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"streamer/internal/codec"
	"streamer/internal/identity"
)

// stationFormat names the format of a key file; another one is refused, not guessed at.
const stationFormat = "streamer station key 1"

const (
	// exportBytesMax bounds an exported key: ours are below 2 KiB.
	exportBytesMax = 64 << 10
	// exportWorkFactor is log2 of scrypt's N: about a second and 256 MiB for whoever guesses a passphrase.
	exportWorkFactor = 18
	// PassphraseBytesMin is the shortest passphrase that Export takes.
	PassphraseBytesMin = 8
)

// keyFile is a Station as it lies on disk and inside an export.
type keyFile struct {
	Format      string `json:"format"`
	Seed        string `json:"seed"` // SECRET: base64 of 32 bytes
	StationID   string `json:"station_id"`
	Name        string `json:"name,omitempty"`
	Genre       string `json:"genre,omitempty"`
	Description string `json:"description,omitempty"`
	URL         string `json:"url,omitempty"`
	LastEpoch   uint32 `json:"last_epoch"`
}

func (s Station) encode() ([]byte, error) {
	seed := s.Key.Seed()
	b, err := json.MarshalIndent(keyFile{
		Format:      stationFormat,
		Seed:        base64.StdEncoding.EncodeToString(seed[:]),
		StationID:   s.Key.ID().String(),
		Name:        s.Info.StationName,
		Genre:       s.Info.Genre,
		Description: s.Info.Description,
		URL:         s.Info.URL,
		LastEpoch:   s.LastEpoch,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode a station key: %w", err)
	}
	return append(b, '\n'), nil
}

// parseStation reads what encode writes. Its errors quote nothing of the content, which may hold a secret.
func parseStation(b []byte) (Station, error) {
	var f keyFile
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&f); err != nil {
		return Station{}, errors.New("not valid JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Station{}, errors.New("something follows the JSON object")
	}
	if f.Format != stationFormat {
		return Station{}, fmt.Errorf("its \"format\" is not %q: it is no station key, or one of a newer version", stationFormat)
	}
	seed, err := base64.StdEncoding.Strict().DecodeString(f.Seed)
	if err != nil || len(seed) != identity.KeyBytes {
		return Station{}, fmt.Errorf("its \"seed\" is not the base64 of %d bytes", identity.KeyBytes)
	}
	key := identity.NewStationKey([identity.KeyBytes]byte(seed))
	if f.StationID != key.ID().String() {
		return Station{}, errors.New("its \"seed\" and \"station_id\" do not belong together: it was damaged")
	}
	info := codec.Event{StationName: f.Name, Genre: f.Genre, Description: f.Description, URL: f.URL}
	return Station{Key: key, Info: info, LastEpoch: f.LastEpoch}, nil
}

func readStation(path string) (Station, error) {
	b, err := readFileBounded(path, settingsBytesMax)
	if err != nil {
		return Station{}, fmt.Errorf("read station key: %w", err)
	}
	st, err := parseStation(b)
	if err != nil {
		return Station{}, fmt.Errorf("station key %s is damaged: %w; restore it from an export or a backup", path, err)
	}
	st.path = path
	return st, nil
}

func (s Station) write(replace bool) error {
	b, err := s.encode()
	if err != nil {
		return err
	}
	err = writeFileAtomic(s.path, b, 0o600, replace)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s", ErrStationExists, s.path)
	}
	return err
}

// Export writes a station, encrypted with a passphrase, as text that `age -d` opens too.
func (s *Store) Export(w io.Writer, name, passphrase string) error {
	st, err := s.Open(name)
	if err != nil {
		return err
	}
	if len(passphrase) < PassphraseBytesMin {
		return fmt.Errorf("the passphrase is shorter than %d characters: whoever guesses it is the station", PassphraseBytesMin)
	}
	b, err := st.encode()
	if err != nil {
		return err
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return fmt.Errorf("export station %q: %w", name, err)
	}
	recipient.SetWorkFactor(s.workFactor)
	text := armor.NewWriter(w)
	sealed, err := age.Encrypt(text, recipient)
	if err != nil {
		return fmt.Errorf("export station %q: %w", name, err)
	}
	_, err = sealed.Write(b)
	if err = errors.Join(err, sealed.Close(), text.Close()); err != nil {
		return fmt.Errorf("export station %q: %w", name, err)
	}
	return nil
}

// Import adds an exported station under a name that is not taken.
func (s *Store) Import(r io.Reader, name, passphrase string) (Station, error) {
	path, err := s.path(name)
	if err != nil {
		return Station{}, err
	}
	if _, err = os.Lstat(path); err == nil { // before the second that scrypt takes
		return Station{}, fmt.Errorf("%w: %s", ErrStationExists, path)
	}
	b, err := openExport(r, passphrase)
	if err != nil {
		return Station{}, fmt.Errorf("import station: %w", err)
	}
	st, err := parseStation(b)
	if err != nil {
		return Station{}, fmt.Errorf("import station: what was exported is no station key: %w", err)
	}
	st.Name, st.path = name, path
	return st, st.write(false)
}

func openExport(r io.Reader, passphrase string) ([]byte, error) {
	all, err := io.ReadAll(io.LimitReader(r, exportBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	if len(all) > exportBytesMax {
		return nil, fmt.Errorf("larger than %d bytes: it is no exported station", exportBytesMax)
	}
	text := strings.TrimSpace(string(all))
	if !strings.HasPrefix(text, armor.Header) {
		return nil, fmt.Errorf("it does not begin with %q: it is no exported station", armor.Header)
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, errors.New("the passphrase is empty")
	}
	id.SetMaxWorkFactor(exportWorkFactor + 4)
	plain, err := age.Decrypt(armor.NewReader(strings.NewReader(text)), id)
	if err != nil {
		if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
			return nil, errors.New("the passphrase is wrong")
		}
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(plain, settingsBytesMax))
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	return b, nil
}
