// SPDX-License-Identifier: MIT

// Package page tests what a listener sees: Debian's Chromium, without a window, opens the page of real nodes that play a real
// station. It needs no sound card. Everything is on the loopback interface but the first start, which measures a line.
package page
