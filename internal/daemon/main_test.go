// SPDX-License-Identifier: MIT

package daemon_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Whoever starts a goroutine waits for its end.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
