// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// stranger KIND runs a server that is no node, where a node's page should be, and sets STREAMER_HTTP to its address.
func scriptStranger(ts *testscript.TestScript, _ bool, args []string) {
	gone := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch args[0] {
		case "page":
			fmt.Fprint(w, "<!DOCTYPE html><title>Other</title>")
		case "json":
			fmt.Fprint(w, "{}")
		case "endless":
			for r.Context().Err() == nil {
				fmt.Fprint(w, strings.Repeat(`{"node_id":`, 1000))
			}
		case "pretender": // it says that it is one, and nothing else that a node says
			fmt.Fprint(w, `{"node_id":"abc"}`)
		case "silent":
			select {
			case <-gone:
			case <-r.Context().Done():
			}
		default:
			http.Error(w, "?", http.StatusTeapot)
		}
	}))
	ts.Defer(func() { close(gone); s.Close() })
	ts.Setenv("STREAMER_HTTP", strings.TrimPrefix(s.URL, "http://"))
}
