// SPDX-License-Identifier: MIT

package tools

import (
	"context"
	"fmt"
	"os"
)

func ffmpegTools() []Tool {
	tool := func(name string, scheme string, options ...string) Tool {
		return Tool{
			Name: name, Program: []string{"ffmpeg"}, Packages: []string{"ffmpeg"}, Formats: Formats(), Titles: tagged(),
			run: func(ctx context.Context, _ Tool, j Job) error { return runFFmpeg(ctx, j, scheme, options) },
		}
	}
	return []Tool{
		tool("ffmpeg", "icecast"),
		tool("ffmpeg legacy", "icecast", "-legacy_icecast", "1"),
		tool("ffmpeg http put", "http", "-method", "PUT"),
		tool("ffmpeg http post", "http", "-method", "POST"),
	}
}

func runFFmpeg(ctx context.Context, j Job, scheme string, options []string) error {
	muxer := map[Format]string{
		MP3: "mp3", AAC: "adts", Vorbis: "ogg", Opus: "ogg", OggFLAC: "ogg", FLAC: "flac", WebM: "webm",
	}[j.Format]
	args := []string{"-hide_banner", "-loglevel", "warning", "-re", "-i", j.File, "-map", "0:a", "-c", "copy", "-f", muxer}
	args = append(args, options...)
	if scheme == "icecast" {
		args = append(args, "-content_type", j.Format.MIME())
	}
	url := fmt.Sprintf("%s://source:%s@%s%s", scheme, j.Server.Password, j.Server.addr(), j.Server.Mount)
	return run(command(ctx, "ffmpeg", append(args, url)...))
}

func curlTools() []Tool {
	return []Tool{
		{
			Name: "curl", Program: []string{"curl"}, Packages: []string{"curl"}, Formats: Formats(), Titles: tagged(),
			run: func(ctx context.Context, _ Tool, j Job) error {
				return run(command(ctx, "curl", curlArgs(j, j.File)...))
			},
		},
		{
			Name: "curl chunked", Program: []string{"curl"}, Packages: []string{"curl"}, Formats: Formats(), Titles: tagged(),
			run: func(ctx context.Context, _ Tool, j Job) error {
				f, err := os.Open(j.File)
				if err != nil {
					return err
				}
				defer f.Close() //nolint:errcheck // only read
				cmd := command(ctx, "curl", curlArgs(j, "-")...)
				cmd.Stdin = f
				return run(cmd)
			},
		},
	}
}

func curlArgs(j Job, upload string) []string {
	return []string{
		"--silent", "--show-error", "--fail", "--user", "source:" + j.Server.Password, "--upload-file", upload,
		"http://" + j.Server.addr() + j.Server.Mount,
	}
}
