// SPDX-License-Identifier: MIT

package ingest

import (
	"sync"
	"time"

	"streamer/internal/codec"
)

// A meter keeps the Status of a Server or Player; safe for use by several goroutines.
type meter struct {
	mu     sync.Mutex
	status Status
}

func (m *meter) snapshot() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

// connect notes a new source: Kind, Agent, Remote, Mount and BitrateBPS come from s.
func (m *meter) connect(s Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Connected = time.Now()
	s.Sources = m.status.Sources + 1
	s.Format, s.Title = m.status.Format, m.status.Title
	s.LastError, s.ErrorAt = m.status.LastError, m.status.ErrorAt
	m.status = s
}

// disconnect notes the end of the source, and why if it was no proper one.
func (m *meter) disconnect(err error) {
	m.mu.Lock()
	m.status.Connected = time.Time{}
	m.status.LastError = ""
	m.mu.Unlock()
	m.fail(err)
}

// fail notes why something was refused; nil notes nothing.
func (m *meter) fail(err error) {
	if err == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.LastError = err.Error()
	m.status.ErrorAt = time.Now()
}

func (m *meter) read(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Bytes += uint64(n)
}

func (m *meter) format(h codec.Header) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Format = h.Format
	if h.BitrateBPS > 0 {
		m.status.BitrateBPS = h.BitrateBPS
	}
}

// title keeps the track as people read it: "Artist - Title".
func (m *meter) title(e codec.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case e.Artist == "":
		m.status.Title = e.Title
	case e.Title == "":
		m.status.Title = e.Artist
	default:
		m.status.Title = e.Artist + " - " + e.Title
	}
}
