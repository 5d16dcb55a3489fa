// SPDX-License-Identifier: MIT

// Package page tests what a listener sees: Debian's Chromium, without a window, opens the page of real nodes that play a real
// station. It needs neither root nor a sound card; everything is on the loopback interface.
package page
