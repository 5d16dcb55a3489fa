// SPDX-License-Identifier: MIT

package web

// Limits of event streams.
const (
	EventsQueued    = eventsQueued
	EventsLeave     = eventsLeave
	EventsKeepalive = eventsKeepalive
	AnswerTime      = answerTime
)

// TuneRequest is the body of POST /api/v1/tune.
type TuneRequest = tuneRequest

// Routes lists "METHOD PATH" of all routes.
func (s *Server) Routes() []string {
	var list []string
	for _, r := range s.routes() {
		list = append(list, r.method+" "+r.path)
	}
	return list
}
