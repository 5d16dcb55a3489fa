// SPDX-License-Identifier: MIT

package daemon

import (
	"fmt"
	"net/http"
)

// A socketMetric is one counter of the socket and the loop behind it.
type socketMetric struct {
	name, help string
	value      uint64
}

func (d *Daemon) socketMetrics() []socketMetric {
	s := d.conn.Stats()
	return []socketMetric{
		{"streamer_socket_received_total", "Datagrams read from the socket.", s.Received},
		{"streamer_socket_oversized_total", "Datagrams longer than any of ours, dropped.", s.Oversized + d.loop.oversized.Load()},
		{"streamer_socket_read_errors_total", "Errors of the socket's reader.", s.ReadErrors},
		{"streamer_socket_overrun_total", "Datagrams dropped because the node was behind.", d.loop.overrun.Load()},
		{"streamer_socket_sent_total", "Datagrams that the system took.", s.Sent},
		{"streamer_socket_segmented_total", "Of them, those that went out by segmentation offload.", s.Segmented},
		{"streamer_socket_write_errors_total", "Datagrams that the system refused.", s.WriteErrors},
	}
}

// withSocketMetrics adds the socket's counters to what next says under /metrics.
func (d *Daemon) withSocketMetrics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" || r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		sw := &statusWriter{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(sw, r)
		if sw.code != http.StatusOK {
			return
		}
		for _, m := range d.socketMetrics() {
			_, _ = fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s counter\n%s %d\n", m.name, m.help, m.name, m.name, m.value)
		}
	})
}

// A statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
