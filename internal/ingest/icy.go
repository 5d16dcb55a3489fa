// SPDX-License-Identifier: MIT

package ingest

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// icyIntervalMax bounds the audio bytes between two metadata blocks.
const icyIntervalMax = 1 << 20

// An icyReader takes the metadata blocks out of a SHOUTcast or Icecast stream: after every interval bytes of audio comes
// a byte n and then n*16 bytes of text, padded with zeros.
type icyReader struct {
	r        io.Reader
	interval int
	left     int                // audio bytes until the next block
	title    func(title string) // called for each block that has a StreamTitle
}

// NewICYReader takes the titles out of a stream and tells title of each, before the audio that it belongs to is read. It
// reads the interval from the stream's icy-metaint field; without one, r itself is the audio.
func NewICYReader(r io.Reader, metaint string, title func(string)) (io.Reader, error) {
	if metaint == "" {
		return r, nil
	}
	n, err := strconv.Atoi(metaint)
	if err != nil || n < 0 || n > icyIntervalMax {
		return nil, fmt.Errorf("icy-metaint %q is not a number of bytes up to %d", metaint, icyIntervalMax)
	}
	if n == 0 {
		return r, nil
	}
	return &icyReader{r: r, interval: n, left: n, title: title}, nil
}

// Read returns audio only.
func (i *icyReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if i.left == 0 {
		if err := i.block(); err != nil {
			return 0, err
		}
		i.left = i.interval
	}
	n, err := i.r.Read(p[:min(len(p), i.left)])
	i.left -= n
	return n, err
}

func (i *icyReader) block() error {
	var buf [1 + 255*16]byte
	if _, err := io.ReadFull(i.r, buf[:1]); err != nil {
		return err
	}
	text := buf[1 : 1+int(buf[0])*16]
	if _, err := io.ReadFull(i.r, text); err != nil {
		return err
	}
	if title, ok := parseStreamTitle(string(text)); ok {
		i.title(title)
	}
	return nil
}

// parseStreamTitle takes the title out of "StreamTitle='It's a; 'quote”;StreamUrl=”;": nobody escapes quotes, so it goes
// up to "';Stream" or, without a field behind it, the last "';".
func parseStreamTitle(block string) (title string, ok bool) {
	block = strings.TrimRight(block, "\x00")
	_, rest, ok := strings.Cut(block, "StreamTitle='")
	if !ok {
		return "", false
	}
	if i := strings.Index(rest, "';Stream"); i >= 0 {
		rest = rest[:i]
	} else if i := strings.LastIndex(rest, "';"); i >= 0 {
		rest = rest[:i]
	} else {
		rest = strings.TrimSuffix(rest, "'")
	}
	return decodeText(rest, ""), true
}
