// SPDX-License-Identifier: MIT

package tools

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

func buttTools() []Tool {
	tool := func(name string, kind int, formats ...Format) Tool {
		return Tool{
			Name: name, Program: []string{"butt", "Xvfb", "pulseaudio", "ffmpeg"},
			Packages: []string{"butt", "xvfb", "pulseaudio", "libasound2-plugins", "ffmpeg"},
			Formats:  formats, Encodes: true, Titles: formats,
			run: func(ctx context.Context, _ Tool, j Job) error { return runButt(ctx, j, kind) },
		}
	}
	return []Tool{
		tool("butt", 1, MP3, Vorbis, Opus, OggFLAC),
		tool("butt shoutcast", 0, MP3),
	}
}

// runButt runs butt on a display that nobody sees, recording from ALSA's default device, which is the sink's monitor.
func runButt(ctx context.Context, j Job, kind int) error {
	rate := 44100
	if j.Format == Opus {
		rate = 48000
	}
	codec := map[Format]string{MP3: "mp3", Vorbis: "ogg", Opus: "opus", OggFLAC: "flac"}[j.Format]
	config, err := j.write("butt.cfg", fmt.Sprintf(`[main]
server = test
srv_ent = test
num_of_srv = 1
num_of_icy = 0
connect_at_startup = 1
force_reconnecting = 0
gain = 1.0
[audio]
device = 0
device2 = -1
dev_remember = 0
samplerate = %d
bitrate = 128
channel = 2
codec = %s
buffer_ms = 50
[record]
bitrate = 128
codec = mp3
filename = rec.mp3
folder = %s/
[test]
address = %s
port = %d
password = %s
type = %d
tls = 0
mount = %s
usr = source
`, rate, codec, j.Dir, j.Server.Host, j.Server.Port, j.Server.Password, kind, j.Server.Mount))
	if err != nil {
		return err
	}
	alsa, err := j.write("asound.conf", "pcm.!default { type pulse }\nctl.!default { type pulse }\n")
	if err != nil {
		return err
	}
	return withSound(ctx, rate, func(ctx context.Context, env []string) error {
		return withDisplay(ctx, func(ctx context.Context, display string) error {
			env = append(env, "DISPLAY="+display, "ALSA_CONFIG_PATH="+alsa)
			control, err := freePort(ctx)
			if err != nil {
				return err
			}
			play := func(ctx context.Context) error { return playOnAir(ctx, j, env, control) }
			return recordWith(ctx, env, play, "butt", "-c", config, "-p", control)
		})
	})
}

// playOnAir plays the file once a running butt is connected, and tells it the title as soon as it has sent a kilobyte. Not
// before: when the encoder has not given out a frame yet, butt 0.1.37 writes what ends a FLAC link over its own memory (its
// ogg_stream_callback copies frame 0 into g_hdr, 1,024 bytes), and then crashes or sends megabytes of zeros.
func playOnAir(ctx context.Context, j Job, env []string, control string) error {
	if err := awaitButt(ctx, env, control, "connected"); err != nil {
		return err
	}
	titled := make(chan error, 1)
	go func() {
		err := awaitButt(ctx, env, control, "stream kBytes")
		if err == nil {
			cmd := command(ctx, "butt", "-p", control, "-u", SampleArtist+" - "+SampleTitle)
			cmd.Env = append(os.Environ(), env...)
			err = run(cmd)
		}
		titled <- err
	}()
	err := playSound(ctx, env, j.File)
	return errors.Join(err, <-titled)
}

// awaitButt returns when the butt with this control port says that something is not 0.
func awaitButt(ctx context.Context, env []string, control, what string) error {
	ctx, cancel := context.WithTimeout(ctx, soundStart)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		var said strings.Builder
		cmd := command(ctx, "butt", "-p", control, "-S")
		cmd.Env, cmd.Stdout = append(os.Environ(), env...), &said
		if run(cmd) == nil && isNonZero(said.String(), what) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("butt says no %q above 0: %w\n%s", what, ctx.Err(), said.String())
		case <-tick.C:
		}
	}
}

// isNonZero looks for "what: number" among lines.
func isNonZero(lines, what string) bool {
	for line := range strings.Lines(lines) {
		if value, ok := strings.CutPrefix(line, what+": "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			return err == nil && n != 0
		}
	}
	return false
}

// freePort returns a TCP port of this machine that nobody has at the moment.
func freePort(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// withDisplay runs use with an X server of its own.
func withDisplay(ctx context.Context, use func(ctx context.Context, display string) error) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only read
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := command(ctx, "Xvfb", "-displayfd", "3", "-screen", "0", "640x480x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{w}
	served := make(chan error, 1)
	go func() {
		served <- run(cmd)
		_ = w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		return errors.Join(errors.New("the X server did not start"), <-served)
	}
	err = use(ctx, ":"+strings.TrimSpace(line))
	cancel()
	<-served //nolint:errcheck // interrupted by us
	return err
}
