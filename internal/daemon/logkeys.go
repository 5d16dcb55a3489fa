// SPDX-License-Identifier: MIT

package daemon

// Keys of log attributes.
const (
	keyAddress  = "address"
	keyAnswers  = "answers"
	keyError    = "error"
	keyBPS      = "bps"
	keyEpoch    = "epoch"
	keyFormat   = "format"
	keyHosts    = "hosts"
	keyHTTP     = "http"
	keyMetered  = "metered"
	keyNode     = "node"
	keyPort     = "port"
	keyProtocol = "protocol"
	keyRole     = "role"
	keySource   = "source"
	keyStation  = "station"
	keyStations = "stations"
)
