// SPDX-License-Identifier: MIT

package players

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// curl plays nothing: it records, and ffmpeg then tells how much audio that is. Its first sound is its first byte.
func curl() Player {
	return Player{
		Name: "curl", Program: []string{"curl", "ffmpeg"}, Packages: []string{"curl", "ffmpeg"}, Formats: Formats(),
		run: func(ctx context.Context, j job) error {
			file := filepath.Join(j.card.home, "recording")
			f, err := os.Create(file)
			if err != nil {
				return err
			}
			defer f.Close() //nolint:errcheck // read again before
			if err := j.recordTo(ctx, f); err != nil {
				return err
			}
			return j.measure(ctx, file)
		},
	}
}

// recordTo records for the job's time.
func (j job) recordTo(ctx context.Context, f io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, j.time)
	defer cancel()
	cmd := command(ctx, "curl", "--silent", "--show-error", "--fail", "--no-buffer", j.url)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &firstByte{w: f, job: j}, &said
	if err := cmd.Run(); cmd.Process == nil {
		return err
	}
	j.ended = ctx.Err() == nil
	j.fault(said.String())
	return nil
}

// measure lets ffmpeg decode what was recorded.
func (j job) measure(ctx context.Context, file string) error {
	cmd := exec.CommandContext(ctx, "ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-i", file, "-f", "s16le", "-ac", "1",
		"-ar", "8000", "-")
	var pcm, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &pcm, &said
	err := cmd.Run()
	j.fault(said.String())
	j.played = time.Duration(pcm.Len()/2) * time.Second / 8000
	return err
}

// A firstByte notes when the first byte came.
type firstByte struct {
	w    io.Writer
	job  job
	once sync.Once
}

func (f *firstByte) Write(p []byte) (int, error) {
	f.once.Do(func() { f.job.first = time.Since(f.job.began) })
	return f.w.Write(p)
}
