// SPDX-License-Identifier: MIT

package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"streamer/internal/node"
)

// uploadBPSMax is the largest limit that makes sense to write down.
const uploadBPSMax = int64(1e12)

type settingsJSON struct {
	Upload        *int64 `json:"upload_bps"` // null: as measured
	UploadFixed   bool   `json:"upload_fixed"`
	Metered       *bool  `json:"metered"`
	MeteredUpload bool   `json:"metered_upload"`
}

func newSettings(s Settings) settingsJSON {
	j := settingsJSON{UploadFixed: s.UploadFixed, MeteredUpload: s.MeteredUpload}
	if s.UploadBPS != node.UploadAuto {
		j.Upload = &s.UploadBPS
	}
	if s.Metered != MeteredUnknown {
		is := s.Metered == MeteredYes
		j.Metered = &is
	}
	return j
}

func (s *Server) serveSettings(w http.ResponseWriter, r *http.Request) {
	if snap, ok := s.snapshot(w, r); ok {
		answer(w, http.StatusOK, newSettings(snap.Settings))
	}
}

// settingsRequest is the body of PATCH /api/v1/settings. What is left out stays as it is.
type settingsRequest struct {
	Upload        uploadLimit `json:"upload_bps"`
	MeteredUpload *bool       `json:"metered_upload"`
}

// An uploadLimit tells null, which is "as measured", from nothing.
type uploadLimit struct{ bps *int64 }

// UnmarshalJSON implements json.Unmarshaler.
func (l *uploadLimit) UnmarshalJSON(b []byte) error {
	bps := node.UploadAuto
	if string(b) != "null" {
		if err := json.Unmarshal(b, &bps); err != nil || bps < 0 || bps > uploadBPSMax {
			return fmt.Errorf("upload_bps is null (as measured) or whole bit/s from 0 (give nothing) to %d", uploadBPSMax)
		}
	}
	l.bps = &bps
	return nil
}

func (s *Server) serveChangeSettings(w http.ResponseWriter, r *http.Request) {
	var q settingsRequest
	if !readJSON(w, r, &q) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), backendTime)
	defer cancel()
	err := s.Backend.ChangeSettings(ctx, SettingsChange{UploadBPS: q.Upload.bps, MeteredUpload: q.MeteredUpload})
	switch {
	case errors.Is(err, ErrUploadFixed):
		fail(w, http.StatusConflict, err.Error())
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err.Error())
	default:
		s.Changed()
		s.serveSettings(w, r)
	}
}
