// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"

	"streamer/internal/node"
	"streamer/internal/web"
)

// settingsFile is the name of the file in the data directory that holds what people chose on the page.
const settingsFile = "settings.json"

// A keptSettings is that file.
type keptSettings struct {
	UploadBPS     *int64 `json:"upload_bps"`     // null: as measured
	MeteredUpload bool   `json:"metered_upload"` // give on a metered connection too
}

// settings are what people may change while the node runs, and what the connection has to say to it.
type settings struct {
	log   *slog.Logger
	path  string // "": nothing can be changed
	fixed bool   // by Options.UploadBPS
	cap   int64  // likewise

	order   sync.Mutex // held over a change, its file and its command
	mu      sync.Mutex // guards the fields below; held for a moment only
	kept    keptSettings
	saved   bool // there is a file
	metered web.Metered
	applied int64 // what the node was told last, in bit/s
}

// newSettings reads what was chosen. A damaged file is refused: it may say that nothing is to be given.
func newSettings(o *Options, log *slog.Logger) (*settings, error) {
	s := &settings{log: log, fixed: o.UploadBPS != node.UploadAuto, cap: o.UploadBPS}
	s.applied = s.limit()
	dir, err := o.dataDir()
	if err != nil {
		log.Warn("settings neither remembered nor kept", keyError, err)
		return s, nil
	}
	s.path = filepath.Join(dir, settingsFile)
	b, err := readFileBounded(s.path, settingsBytesMax)
	if err == nil {
		s.kept, err = parseSettings(b)
		s.saved = true
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w (mend or remove it)", s.path, err)
	}
	s.applied = s.limit()
	return s, nil
}

// parseSettings reads a settings file of at most settingsBytesMax bytes.
func parseSettings(b []byte) (kept keptSettings, err error) {
	if err = json.Unmarshal(b, &kept); err != nil {
		return keptSettings{}, err
	}
	if kept.UploadBPS != nil && *kept.UploadBPS < 0 {
		return keptSettings{}, fmt.Errorf("an upload of %d bit/s", *kept.UploadBPS)
	}
	return kept, nil
}

// limit is what the node may send, in bit/s. s.mu is held, or nobody else has s yet.
func (s *settings) limit() int64 {
	switch {
	case s.metered == web.MeteredYes && !s.kept.MeteredUpload:
		return 0
	case s.fixed:
		return s.cap
	case s.kept.UploadBPS != nil:
		return *s.kept.UploadBPS
	}
	return node.UploadAuto
}

// show is what people see.
func (s *settings) show() web.Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := web.Settings{
		UploadBPS: s.cap, UploadFixed: s.fixed, MeteredUpload: s.kept.MeteredUpload, Metered: s.metered, Saved: s.saved,
	}
	if !s.fixed && s.kept.UploadBPS != nil {
		j.UploadBPS = *s.kept.UploadBPS
	}
	return j
}

// gives reports whether the node may send anything to others.
func (s *settings) gives() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit() != 0
}

// change keeps what somebody chose, and applies it.
func (s *settings) change(ctx context.Context, l *loop, c web.SettingsChange) error {
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	next := s.kept
	s.mu.Unlock()
	if c.UploadBPS != nil {
		if s.fixed {
			return web.ErrUploadFixed
		}
		next.UploadBPS = c.UploadBPS
		if *c.UploadBPS == node.UploadAuto {
			next.UploadBPS = nil
		}
	}
	if c.MeteredUpload != nil {
		next.MeteredUpload = *c.MeteredUpload
	}
	if s.path == "" {
		return errors.New("settings are kept in the data directory, which this node has none of: name one with --data-dir")
	}
	b, err := json.MarshalIndent(next, "", " ")
	if err == nil {
		err = makePrivateDir(filepath.Dir(s.path))
	}
	if err == nil {
		err = writeFileAtomic(s.path, append(b, '\n'), 0o600, true)
	}
	if err != nil {
		return fmt.Errorf("settings not kept: %w", err)
	}
	s.mu.Lock()
	s.kept, s.saved = next, true
	s.mu.Unlock()
	return s.apply(ctx, l)
}

// connection notes what the system says of the connection, and applies it.
func (s *settings) connection(ctx context.Context, l *loop, m web.Metered) error {
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	s.metered = m
	s.mu.Unlock()
	return s.apply(ctx, l)
}

// apply tells the node what it may send, when that is something else than before. s.order is held.
func (s *settings) apply(ctx context.Context, l *loop) error {
	s.mu.Lock()
	limit, before, metered := s.limit(), s.applied, s.metered == web.MeteredYes
	s.mu.Unlock()
	if limit == before {
		return nil
	}
	if err := l.do(ctx, node.UploadCommand{BPS: limit}); err != nil {
		return err
	}
	s.mu.Lock()
	s.applied = limit
	s.mu.Unlock()
	s.log.Info("upload limit changed", keyBPS, limit, keyMetered, metered)
	return nil
}

// run follows what the system says of the connection, until ctx ends.
func (s *settings) run(ctx context.Context, l *loop) {
	watchMetered(ctx, func(m web.Metered) {
		if err := s.connection(ctx, l, m); err != nil && ctx.Err() == nil {
			s.log.Warn("upload limit not changed", keyError, err)
		}
	})
}
