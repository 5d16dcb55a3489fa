// SPDX-License-Identifier: MIT

package tools

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

func liquidsoapTools() []Tool {
	tool := func(name, options string, formats ...Format) Tool {
		return Tool{
			Name: name, Program: []string{"liquidsoap"}, Packages: []string{"liquidsoap"},
			Formats: formats, Encodes: true, Titles: tagged(),
			run: func(ctx context.Context, _ Tool, j Job) error { return runLiquidsoap(ctx, j, options) },
		}
	}
	return []Tool{
		tool("liquidsoap", `output.icecast(mount=MOUNT,`, Formats()...),
		tool("liquidsoap chunked", `output.icecast(chunked=true, method="put", mount=MOUNT,`, Formats()...),
		tool("liquidsoap shoutcast", `output.icecast(protocol="icy", headers=[("icy-aim",""),("icy-irc",""),("icy-icq",""),("icy-reset","1")],`, MP3, AAC),
	}
}

func runLiquidsoap(ctx context.Context, j Job, output string) error {
	encoder := map[Format]string{
		MP3:     `%mp3(bitrate=128)`,
		AAC:     `%ffmpeg(format="adts", %audio(codec="aac", b="96k"))`,
		Vorbis:  `%vorbis(quality=0.4)`,
		Opus:    `%opus(bitrate=96)`,
		OggFLAC: `%ogg(%flac)`,
		FLAC:    `%flac`,
		WebM:    `icy_metadata="true", %ffmpeg(format="webm", cluster_time_limit=1000, %audio(codec="libopus", samplerate=48000, b="96k"))`,
	}[j.Format]
	script, err := j.write("radio.liq", fmt.Sprintf(`
settings.init.allow_root.set(true)
settings.log.stdout.set(true)
s = sequence([single(%q), source.fail()])
%s
  host=%q, port=%d, password=%q, name="Streamer test", genre="test", description="A test",
  url="http://example.org/", fallible=true, on_stop=shutdown, %s, s)
`, j.File, strings.ReplaceAll(output, "MOUNT", strconv.Quote(j.Server.Mount)), j.Server.Host, j.Server.Port, j.Server.Password, encoder))
	if err != nil {
		return err
	}
	// Its library of scripts takes 4 s of CPU to load, and nothing here needs it.
	return run(command(ctx, "liquidsoap", "--no-stdlib", script))
}
