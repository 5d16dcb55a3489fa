// SPDX-License-Identifier: MIT

package daemon_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/ingest"
)

// However its context ends, that is a request to leave, and no fault.
func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": context.WithCancel,
		"with a cause": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			return ctx, func() { cancel(errors.New("the owner went home")) }
		},
		"before it began": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(errors.New("the owner never came"))
			return ctx, func() {}
		},
		"too late": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithDeadline(ctx, time.Now())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := end(t.Context())
			defer cancel()
			d, err := daemon.New(daemon.Options{
				DataDir: t.TempDir(), Broadcast: &daemon.BroadcastOptions{Source: "127.0.0.1:0", Password: "x"},
				OnReady: func(daemon.Ready) { cancel() },
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Run(ctx); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What breaks a daemon is told.
func TestRunEndsWithAFault(t *testing.T) {
	t.Parallel()
	silence := filepath.Join(t.TempDir(), "silence.mp3")
	if err := os.WriteFile(silence, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := daemon.New(daemon.Options{
		DataDir: t.TempDir(), Broadcast: &daemon.BroadcastOptions{Inputs: []string{silence}, Once: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context()); !errors.Is(err, ingest.ErrNothing) {
		t.Errorf("got %v, want %v", err, ingest.ErrNothing)
	}
}
