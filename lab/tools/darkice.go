// SPDX-License-Identifier: MIT

package tools

import (
	"context"
	"fmt"
)

// darkiceTools leave out DarkIce's [shoutcast] mode: version 1.3 sends audio with no login at all (rafael2k/darkice #137).
func darkiceTools() []Tool {
	tool := func(name, section string, formats ...Format) Tool {
		return Tool{
			Name: name, Program: []string{"darkice", "pulseaudio", "ffmpeg"},
			Packages: []string{"darkice", "pulseaudio", "ffmpeg"}, Formats: formats, Encodes: true,
			run: func(ctx context.Context, _ Tool, j Job) error { return runDarkice(ctx, j, section) },
		}
	}
	return []Tool{
		tool("darkice", "icecast2-0", MP3, Vorbis, Opus),
		tool("darkice xaudiocast", "icecast-0", MP3),
	}
}

func runDarkice(ctx context.Context, j Job, section string) error {
	format, rate := string(j.Format), 44100
	switch j.Format {
	case Vorbis:
		format = "vorbis"
	case Opus:
		format, rate = "opus", 48000
	case MP3, AAC, OggFLAC, FLAC, WebM:
	}
	if section != "icecast-0" {
		format = "format = " + format
	} else {
		format = "format = mp3"
	}
	config, err := j.write("darkice.cfg", fmt.Sprintf(`[general]
duration = 0
bufferSecs = 1
reconnect = no
realtime = no
[input]
device = pulseaudio
paSourceName = radio.monitor
sampleRate = %d
bitsPerSample = 16
channel = 2
[%s]
%s
bitrateMode = cbr
bitrate = 128
quality = 0.5
server = %s
port = %d
password = %s
mountPoint = %s
name = Streamer test
genre = test
`, rate, section, format, j.Server.Host, j.Server.Port, j.Server.Password, j.Server.Mount[1:]))
	if err != nil {
		return err
	}
	return withSound(ctx, rate, func(ctx context.Context, env []string) error {
		play := func(ctx context.Context) error { return playSound(ctx, env, j.File) }
		return recordWith(ctx, env, play, "darkice", "-v", "5", "-c", config)
	})
}
