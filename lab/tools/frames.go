// SPDX-License-Identifier: MIT

package tools

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Frames returns the hash of each packet of the first audio stream of a file, in order: nothing is decoded. Equal audio in
// different containers has equal hashes. An Ogg file may be a chain; it is read here, all others by ffmpeg's demuxers.
func Frames(ctx context.Context, file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var hashes []string
	if bytes.HasPrefix(data, []byte(oggCapture)) {
		hashes, err = oggFrames(data)
	} else {
		hashes, err = ffmpegFrames(ctx, file)
	}
	if err == nil && len(hashes) == 0 {
		err = errors.New("no packets")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return hashes, nil
}

func oggFrames(data []byte) (hashes []string, err error) {
	packets, err := oggPackets(data)
	for _, p := range packets {
		sum := md5.Sum(p)
		hashes = append(hashes, hex.EncodeToString(sum[:]))
	}
	return hashes, err
}

func ffmpegFrames(ctx context.Context, file string) ([]string, error) {
	var out bytes.Buffer
	cmd := command(ctx, "ffmpeg", "-hide_banner", "-loglevel", "error", "-i", file,
		"-map", "0:a:0", "-c", "copy", "-f", "framehash", "-hash", "md5", "-")
	cmd.Stdout = &out
	if err := run(cmd); err != nil {
		return nil, fmt.Errorf("hash the packets (apt-get install ffmpeg): %w", err)
	}
	var hashes []string
	last := 0 // bytes of the last packet
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) >= 6 {
			hashes = append(hashes, strings.TrimSpace(fields[5]))
			last, _ = strconv.Atoi(strings.TrimSpace(fields[4]))
		}
	}
	if len(hashes) > 0 && strings.HasSuffix(file, MP3.Extension()) {
		if cut, err := cutShort(file, last); err != nil {
			return nil, err
		} else if cut {
			hashes = hashes[:len(hashes)-1]
		}
	}
	return hashes, nil
}

// cutShort tells whether the last packet of an MP3 file, so many bytes at its end, is less than a frame: a tool was stopped
// in the middle of it. ffmpeg takes it for a packet.
func cutShort(file string, last int) (bool, error) {
	data, err := os.ReadFile(file)
	if err != nil || last < 4 || last > len(data) {
		return true, err
	}
	h := data[len(data)-last:]
	if h[0] != 0xFF || h[1]&0xFE != 0xFA { // MPEG-1 layer III is all that the tools here send
		return false, nil
	}
	kbps := [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}[h[2]>>4]
	hz := [4]int{44100, 48000, 32000, 1 << 30}[h[2]>>2&3]
	return last < 144*1000*kbps/hz+int(h[2]>>1&1), nil
}

// A Difference tells how far what came out is what went in.
type Difference struct {
	Sent, Got int // packets
	First     int // index in what was sent of the first packet that came out; -1 for none
	Equal     int // packets from there on that are the same, contiguous
}

// Compare looks for got in sent as one contiguous run.
func Compare(sent, got []string) Difference {
	d := Difference{Sent: len(sent), Got: len(got), First: -1}
	if len(got) == 0 {
		return d
	}
	d.First = slices.Index(sent, got[0])
	if d.First < 0 {
		return d
	}
	for d.Equal < len(got) && d.First+d.Equal < len(sent) && got[d.Equal] == sent[d.First+d.Equal] {
		d.Equal++
	}
	return d
}

// Contiguous says that all that came out went in, in order, with nothing missing or altered between.
func (d Difference) Contiguous() bool { return d.First >= 0 && d.Equal == d.Got }

// Whole says that besides nothing is missing at either end.
func (d Difference) Whole() bool { return d.Contiguous() && d.First == 0 && d.Got == d.Sent }

// String is for people: "230 of 230 packets", or what is wrong.
func (d Difference) String() string {
	switch {
	case d.First < 0:
		return fmt.Sprintf("%d packets came out, none of which begins a run of the %d sent", d.Got, d.Sent)
	case !d.Contiguous():
		return fmt.Sprintf("packet %d of %d that came out is not packet %d of %d sent",
			d.Equal, d.Got, d.First+d.Equal, d.Sent)
	case d.First > 0:
		return fmt.Sprintf("%d of %d packets, from packet %d on", d.Got, d.Sent, d.First)
	default:
		return fmt.Sprintf("%d of %d packets", d.Got, d.Sent)
	}
}
