// SPDX-License-Identifier: MIT

package codec_test

import (
	"sync"
	"testing"

	"streamer/internal/codec"
)

// A source is a file as a real tool makes it.
type source struct {
	name    string
	args    string // ffmpeg's encoder arguments; the input is music(seconds, rate, channels)
	rate    string
	chans   string
	demuxer string // ffmpeg's name for the container
	format  codec.Format
	codec   string
}

const seconds = "4"

func sources() []source {
	return []source{
		{"mp3-cbr-128", "-c:a libmp3lame -b:a 128k -f mp3", "44100", "2", "mp3", codec.FormatMPEG, "mp3"},
		{"mp3-cbr-320", "-c:a libmp3lame -b:a 320k -f mp3", "48000", "2", "mp3", codec.FormatMPEG, "mp3"},
		{"mp3-cbr-32-mono", "-c:a libmp3lame -b:a 32k -f mp3", "32000", "1", "mp3", codec.FormatMPEG, "mp3"},
		{"mp3-vbr", "-c:a libmp3lame -q:a 2 -f mp3 -metadata title=T\u00eetre -metadata artist=A", "44100", "2", "mp3", codec.FormatMPEG, "mp3"},
		{"mp3-mpeg2", "-c:a libmp3lame -b:a 64k -f mp3 -id3v2_version 3 -write_id3v1 1 -metadata title=T", "22050", "2", "mp3", codec.FormatMPEG, "mp3"},
		{"mp3-mpeg2.5-mono", "-c:a libmp3lame -b:a 16k -f mp3", "8000", "1", "mp3", codec.FormatMPEG, "mp3"},
		{"mp2", "-c:a mp2 -b:a 192k -f mp2", "48000", "2", "mp3", codec.FormatMPEG, "mp2"},
		{"aac-64", "-c:a aac -b:a 64k -f adts", "44100", "2", "aac", codec.FormatAAC, "aac"},
		{"aac-128-mono", "-c:a aac -b:a 128k -f adts", "48000", "1", "aac", codec.FormatAAC, "aac"},
		{"vorbis", "-c:a libvorbis -q:a 4 -f ogg -metadata title=T -metadata artist=A", "44100", "2", "ogg", codec.FormatOggVorbis, "vorbis"},
		{"vorbis-mono", "-c:a libvorbis -q:a 1 -f ogg", "22050", "1", "ogg", codec.FormatOggVorbis, "vorbis"},
		{"opus-20", "-c:a libopus -b:a 96k -f ogg -metadata title=T", "48000", "2", "ogg", codec.FormatOggOpus, "opus"},
		{"opus-60", "-c:a libopus -b:a 16k -frame_duration 60 -f ogg", "48000", "1", "ogg", codec.FormatOggOpus, "opus"},
		{"ogg-flac", "-c:a flac -f ogg -metadata title=T", "44100", "2", "ogg", codec.FormatOggFLAC, "flac"},
		{"flac", "-c:a flac -sample_fmt s16 -f flac -metadata title=T", "44100", "2", "flac", codec.FormatFLAC, "flac"},
		{"flac-24-mono", "-c:a flac -sample_fmt s32 -compression_level 0 -f flac", "96000", "1", "flac", codec.FormatFLAC, "flac"},
		{"webm-opus", "-c:a libopus -b:a 64k -f webm -metadata title=T", "48000", "2", "matroska", codec.FormatWebM, "opus"},
		{"webm-vorbis", "-c:a libvorbis -q:a 3 -f webm -metadata artist=A", "44100", "2", "matroska", codec.FormatWebM, "vorbis"},
		{"webm-live", "-c:a libopus -b:a 64k -f webm -live 1 -cluster_time_limit 500", "48000", "1", "matroska", codec.FormatWebM, "opus"},
	}
}

// made keeps what the encoders made: name to func() []byte.
var made sync.Map

// make runs the encoder, once for all tests. Don't alter the result.
func (s source) make(t testing.TB) []byte {
	t.Helper()
	once, _ := made.LoadOrStore(s.name, sync.OnceValue(func() []byte {
		return ffmpeg(t, nil, music(seconds, s.rate, s.chans)+" "+s.args+" -")
	}))
	return once.(func() []byte)()
}

// sourceNamed returns one of sources.
func sourceNamed(t testing.TB, name string) source {
	t.Helper()
	for _, s := range sources() {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("no source %q", name)
	return source{}
}
