// SPDX-License-Identifier: MIT

package daemon

import (
	"net/http"

	"streamer/internal/playback"
)

func (d *Daemon) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/listen/", playback.NewHandler(playback.Config{Tuner: d, Log: d.log}))
	return mux
}
