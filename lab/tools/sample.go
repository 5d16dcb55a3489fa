// SPDX-License-Identifier: MIT

package tools

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// The title of every sample, as tags and thus as titles on the air.
const (
	SampleArtist = "Bärbel & Söhne"
	SampleTitle  = "Kein Ende + Anfang"
)

// Sample makes a file of the format in dir: two tones over noise, so that no two frames are alike, with tags.
func Sample(ctx context.Context, dir string, f Format, length time.Duration) (string, error) {
	codec := map[Format]string{
		MP3:     "-c:a libmp3lame -b:a 128k",
		AAC:     "-c:a aac -b:a 96k -f adts",
		Vorbis:  "-c:a libvorbis -b:a 112k -f ogg",
		Opus:    "-c:a libopus -b:a 96k -f ogg",
		OggFLAC: "-c:a flac -sample_fmt s16 -f ogg",
		FLAC:    "-c:a flac -sample_fmt s16 -f flac",
		WebM:    "-c:a libopus -b:a 96k -f webm -cluster_time_limit 1000",
	}[f]
	if codec == "" {
		return "", fmt.Errorf("no sample for format %q", f)
	}
	name := "sample-" + strings.ReplaceAll(string(f), "/", "-") + f.Extension()
	path := filepath.Join(dir, name)
	rate := "44100"
	if f == Opus || f == WebM {
		rate = "48000"
	}
	source := "aevalsrc='0.2*sin(2*PI*220*t)+0.05*random(0)|0.2*sin(2*PI*(330+20*t)*t)+0.05*random(1)':s=" + rate +
		fmt.Sprintf(":d=%.3f", length.Seconds())
	args := []string{"-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi", "-i", source}
	args = append(args, strings.Fields(codec)...)
	args = append(args, "-metadata", "title="+SampleTitle, "-metadata", "artist="+SampleArtist, path)
	if err := run(command(ctx, "ffmpeg", args...)); err != nil {
		return "", fmt.Errorf("make a sample of %s (apt-get install ffmpeg): %w", f, err)
	}
	return path, nil
}
