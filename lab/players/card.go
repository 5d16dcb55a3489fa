// SPDX-License-Identifier: MIT

package players

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// cardStart bounds the start of a sound server on a loaded machine.
const cardStart = 20 * time.Second

// A card is a sound card that is not there: a PulseAudio server with one output, and a recorder that listens to it.
type card struct {
	env  []string // for every program that is to use it
	home string   // where a program that must not be root may write

	cancel context.CancelFunc
	done   sync.WaitGroup
	errs   chan error
	mu     sync.Mutex
	ear    ear
}

// newCard starts a card with its files in dir, which must be short.
func newCard(ctx context.Context, dir string) (*card, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &card{cancel: cancel, home: filepath.Join(dir, "home"), errs: make(chan error, 2)}
	socket := filepath.Join(dir, "pulse")
	c.env = []string{
		"HOME=" + c.home, "XDG_RUNTIME_DIR=" + c.home, "XDG_CONFIG_HOME=" + c.home, "PULSE_SERVER=unix:" + socket,
		"DBUS_SESSION_BUS_ADDRESS=disabled:", "SDL_AUDIODRIVER=pulseaudio", "LC_ALL=C.UTF-8",
	}
	err := errors.Join(os.Chmod(dir, 0o711), os.Mkdir(c.home, 0o700), os.Chmod(c.home, 0o777)) //nolint:gosec // VLC refuses root
	if err == nil {
		c.start(ctx, "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
			"-L", "module-native-protocol-unix auth-anonymous=1 socket="+socket,
			"-L", fmt.Sprintf("module-null-sink sink_name=radio rate=%d", earRate))
		err = awaitSocket(ctx, socket)
	}
	if err == nil {
		c.start(ctx, "parec", "--raw", "--format=s16le", fmt.Sprintf("--rate=%d", earRate), "--channels=1", "--latency-msec=20",
			"--device=radio.monitor")
		err = c.awaitEar(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// start runs a program until the card is closed; what it writes to standard output is what is heard.
func (c *card) start(ctx context.Context, name string, args ...string) {
	cmd := command(ctx, name, args...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout = listener{c}
	c.done.Go(func() {
		if err := cmd.Run(); ctx.Err() == nil {
			c.errs <- fmt.Errorf("%s ended: %w", name, err)
		}
	})
}

// close ends the card. The error is that of a part which ended by itself.
func (c *card) close() error {
	c.cancel()
	c.done.Wait()
	select {
	case err := <-c.errs:
		return err
	default:
		return nil
	}
}

// heard is what was heard so far.
func (c *card) heard() hearing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ear.hearing
}

// A listener gives what is written to the card's ear.
type listener struct{ *card }

func (l listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ear.hear(time.Now(), p)
	return len(p), nil
}

// awaitSocket returns when something listens on the Unix socket at path.
func awaitSocket(ctx context.Context, path string) error {
	return await(ctx, func() error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", path)
		if err != nil {
			return fmt.Errorf("the sound server does not start: %w", err)
		}
		return errors.Join(conn.Close(), os.Chmod(path, 0o777)) //nolint:gosec // for a player that must not be root
	})
}

// awaitEar returns when silence is heard.
func (c *card) awaitEar(ctx context.Context) error {
	return await(ctx, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ear.windows == 0 {
			return errors.New("the recorder hears nothing, not even silence")
		}
		return nil
	})
}

// await calls try until it returns nil, and returns its last error when that takes too long.
func await(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, cardStart)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// An ear tells sound from silence.
const (
	earRate   = 48000
	earWindow = 10 * time.Millisecond
	earLoud   = 200                   // of 32768: -44 dB
	earHole   = 50 * time.Millisecond // a shorter pause may be the music's own
)

// A hearing is what an ear made of it.
type hearing struct {
	first   time.Time // sound
	played  time.Duration
	holes   int
	longest time.Duration
}

type ear struct {
	hearing
	rest    []byte // less than a window
	windows int
	silence time.Duration // since the last sound
}

// hear takes 16-bit mono samples that came at now.
func (e *ear) hear(now time.Time, p []byte) {
	const size = int(earWindow*earRate/time.Second) * 2
	e.rest = append(e.rest, p...)
	for ; len(e.rest) >= size; e.rest = e.rest[size:] {
		e.windows++
		if !loud(e.rest[:size]) {
			if e.played > 0 {
				e.silence += earWindow
			}
			continue
		}
		if e.played == 0 {
			e.first = now
		}
		if e.silence >= earHole {
			e.holes++
			e.longest = max(e.longest, e.silence)
		}
		e.silence = 0
		e.played += earWindow
	}
}

func loud(p []byte) bool {
	for ; len(p) >= 2; p = p[2:] {
		if v := int16(binary.LittleEndian.Uint16(p)); v > earLoud || v < -earLoud {
			return true
		}
	}
	return false
}

var _ io.Writer = listener{}
