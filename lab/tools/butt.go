// SPDX-License-Identifier: MIT

package tools

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
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
			titled := make(chan struct{})
			go func() {
				defer close(titled)
				buttTitle(ctx, env, control)
			}()
			err = recordWith(ctx, j, env, "butt", "-c", config, "-p", control)
			<-titled
			return err
		})
	})
}

// buttTitle tells a running butt the title, as soon as it listens and is on the air.
func buttTitle(ctx context.Context, env []string, control string) {
	ctx, cancel := context.WithTimeout(ctx, soundStart)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var said strings.Builder
		ask := command(ctx, "butt", "-p", control, "-S")
		ask.Env, ask.Stdout = append(os.Environ(), env...), &said
		if run(ask) != nil || !strings.Contains(said.String(), "connected: 1") {
			continue
		}
		tell := command(ctx, "butt", "-p", control, "-u", SampleArtist+" - "+SampleTitle)
		tell.Env = append(os.Environ(), env...)
		if run(tell) == nil {
			return
		}
	}
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
