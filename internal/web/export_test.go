// SPDX-License-Identifier: MIT

package web

import "time"

// Limits of event streams.
const (
	EventsQueued    = eventsQueued
	EventsLeave     = eventsLeave
	EventsKeepalive = eventsKeepalive
	AnswerTime      = answerTime
)

// TuneRequest is the body of POST /api/v1/tune.
type TuneRequest = tuneRequest

// SettingsRequest is the body of PATCH /api/v1/settings.
type SettingsRequest = settingsRequest

// Routes lists "METHOD PATH" of all routes.
func (s *Server) Routes() []string {
	var list []string
	for _, r := range s.routes() {
		list = append(list, r.method+" "+r.path)
	}
	return list
}

// A View is what event streams show at one moment.
type View = view

// NewView shows a node.
func NewView(s Snapshot) *View { return newView(s, time.Now()) }

// Everything is what a new subscriber gets.
func (v *View) Everything() []byte { return v.everything() }

// Since is what one gets who was told before.
func (v *View) Since(before *View) []byte { return v.since(before) }
