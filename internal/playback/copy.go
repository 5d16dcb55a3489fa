// SPDX-License-Identifier: MIT

package playback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// CopyTo writes the station's audio to w, from the place where a player would begin, until ctx is done, the station ends
// and does not begin again within grace, or w fails. A player needs EndGrace; with 0 the end is that of the copy, whatever
// follows. Where w is slower than the stream, what it missed becomes a gap. It returns nil at an end that is no fault: the
// station's, or ctx's.
func CopyTo(ctx context.Context, c *Channel, w io.Writer, grace time.Duration) error {
	f, err := openFeed(ctx, c)
	if err == nil {
		err = f.begin(false)
	}
	if err == nil {
		err = f.run(ctx, delivery{grace: grace, skip: true, write: func(p []byte) error {
			if _, failed := w.Write(p); failed != nil {
				return fmt.Errorf("write the audio: %w", failed)
			}
			return nil
		}})
	}
	if errors.Is(err, errEnded) || errors.Is(err, errClosed) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}
