// SPDX-License-Identifier: MIT

package tools

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// soundStart bounds the start of a sound server or display, on a loaded machine.
const soundStart = 20 * time.Second

// withSound runs use with a PulseAudio server of its own that has one sink, "radio", and nothing else: what is played there
// is what a tool records from radio.monitor. env is for every program that is to use it.
func withSound(ctx context.Context, rate int, use func(ctx context.Context, env []string) error) error {
	// The address of a Unix socket has 107 bytes; a test's own directory may need more.
	dir, err := os.MkdirTemp("", "sound")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing in it is worth keeping
	socket := filepath.Join(dir, "radio.sock")
	env := []string{
		"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "XDG_CONFIG_HOME=" + dir, "PULSE_SERVER=unix:" + socket,
		"DBUS_SESSION_BUS_ADDRESS=disabled:",
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := command(ctx, "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+socket,
		"-L", fmt.Sprintf("module-null-sink sink_name=radio rate=%d", rate))
	cmd.Env = append(os.Environ(), env...)
	served := make(chan error, 1)
	go func() { served <- run(cmd); close(served) }()
	err = awaitSocket(ctx, socket, served)
	if err == nil {
		err = use(ctx, env)
	}
	cancel()
	<-served //nolint:errcheck // interrupted by us
	return err
}

// awaitSocket returns when something listens on the Unix socket at path, or with the error of what should have.
func awaitSocket(ctx context.Context, path string, ended <-chan error) error {
	deadline := time.NewTimer(soundStart)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var d net.Dialer
	for {
		if conn, err := d.DialContext(ctx, "unix", path); err == nil {
			return conn.Close()
		}
		select {
		case err := <-ended:
			return errors.Join(errors.New("the server did not start"), err)
		case <-deadline.C:
			return fmt.Errorf("nothing listens on %s after %v", path, soundStart)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// playSound plays a file into the sink, in real time.
func playSound(ctx context.Context, env []string, file string) error {
	cmd := command(ctx, "ffmpeg", "-hide_banner", "-loglevel", "error", "-re", "-i", file,
		"-map", "0:a", "-f", "pulse", "-device", "radio", "sample")
	cmd.Env = append(os.Environ(), env...)
	return run(cmd)
}

// recordWith runs a program that records the sink until play returns.
func recordWith(ctx context.Context, env []string, play func(ctx context.Context) error, program string, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	played := make(chan error, 1)
	go func() {
		played <- play(ctx)
		close(done)
	}()
	err := until(ctx, done, program, env, args...)
	cancel()
	return errors.Join(err, <-played)
}
