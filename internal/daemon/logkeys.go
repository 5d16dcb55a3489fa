// SPDX-License-Identifier: MIT

package daemon

// Keys of log attributes.
const (
	keyAnswers  = "answers"
	keyError    = "error"
	keyEpoch    = "epoch"
	keyFormat   = "format"
	keyHosts    = "hosts"
	keyHTTP     = "http"
	keyNode     = "node"
	keyPort     = "port"
	keyRole     = "role"
	keySource   = "source"
	keyStation  = "station"
	keyStations = "stations"
)
