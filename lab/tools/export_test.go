// SPDX-License-Identifier: MIT

package tools

import "context"

// FFmpegFrames returns the packets of a file as ffmpeg finds them, whatever it is.
func FFmpegFrames(ctx context.Context, file string) ([]string, error) { return ffmpegFrames(ctx, file) }
