// SPDX-License-Identifier: MIT

package players

import (
	"context"
	"os"
	"regexp"
	"strings"
)

// after returns what follows marker in s.
func after(s, marker string) (string, bool) {
	_, rest, ok := strings.Cut(s, marker)
	return rest, ok
}

// icyTitle is how players print a metadata block.
var icyTitle = regexp.MustCompile(`StreamTitle='(.*?)';`)

func mpv() Player {
	return Player{
		Name: "mpv", Program: []string{"mpv"}, Packages: []string{"mpv"}, Playlist: ".pls", Formats: Formats(), Titles: Formats(),
		run: func(ctx context.Context, j job) error {
			return j.program(ctx, func(s string) {
				if title, ok := after(s, "STATUS "); ok {
					// Before there is a title, it is the last part of the address.
					if title = strings.TrimSuffix(title, "\x1b[K"); !strings.HasSuffix(j.url, title) {
						j.title(title)
					}
				} else if strings.HasPrefix(s, "[") || strings.Contains(strings.ToLower(s), "error") {
					j.fault(s)
				}
			}, "mpv", "--no-config", "--no-video", "--ao=pulse", "--msg-level=all=warn,statusline=status", "--msg-module",
				"--term-status-msg=STATUS ${media-title}", j.list)
		},
	}
}

func vlc() Player {
	return Player{
		Name: "VLC", Program: []string{"cvlc"}, Packages: []string{"vlc-bin", "vlc-plugin-base"}, Playlist: ".xspf",
		Formats: Formats(), Titles: Formats(),
		run: func(ctx context.Context, j job) error {
			// Interfaces that a machine without a desktop lacks are no concern here; nor is what it says about every WebM over
			// HTTP, a plain file of ffmpeg's included.
			harmless := regexp.MustCompile(`dbus|interface|lua|globalhotkeys|xcb|cache|cannot find any cluster or chapter`)
			args := []string{"-vv", "--aout=pulse", "--no-video", "--no-plugins-cache", j.list}
			name := "cvlc"
			if os.Geteuid() == 0 { // VLC refuses to be root
				args = append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", name}, args...)
				name = "setpriv"
			}
			return j.program(ctx, func(s string) {
				if title, ok := after(s, "New Icy-Title="); ok {
					j.title(title)
				} else if strings.Contains(s, " error: ") && !harmless.MatchString(s) {
					j.fault(s)
				}
			}, name, args...)
		},
	}
}

func mpg123() Player {
	return Player{
		Name: "mpg123", Program: []string{"mpg123"}, Packages: []string{"mpg123"}, Playlist: ".m3u",
		Formats: []Format{MP3}, Titles: []Format{MP3},
		run: func(ctx context.Context, j job) error {
			return j.program(ctx, func(s string) {
				if m := icyTitle.FindStringSubmatch(s); m != nil {
					j.title(m[1])
				} else if strings.Contains(s, "error") || strings.Contains(s, "warning") {
					j.fault(s)
				}
			}, "mpg123", "-o", "pulse", "-v", "-@", j.list)
		},
	}
}

func mplayer() Player {
	return Player{
		Name: "MPlayer", Program: []string{"mplayer"}, Packages: []string{"mplayer"}, Playlist: ".pls",
		Formats: Formats(), Titles: []Format{MP3, AAC, FLAC},
		run: func(ctx context.Context, j job) error {
			// It says the first about every OpusTags packet, and the second when it is told to end.
			harmless := regexp.MustCompile(`Error parsing the packet header|Interrupted system call`)
			return j.program(ctx, func(s string) {
				low := strings.ToLower(s)
				if m := icyTitle.FindStringSubmatch(s); m != nil {
					j.title(m[1])
				} else if (strings.Contains(low, "error") || strings.Contains(low, "invalid")) && !harmless.MatchString(s) {
					j.fault(s)
				}
			}, "mplayer", "-noconfig", "all", "-nolirc", "-novideo", "-noconsolecontrols", "-prefer-ipv4", "-ao", "pulse",
				"-playlist", j.list)
		},
	}
}

// avLine handles a line of ffmpeg and ffplay with -loglevel level+verbose.
func (j job) avLine(s string) {
	if title, ok := after(s, "Metadata update for StreamTitle: "); ok {
		j.title(title)
	} else if strings.Contains(s, "[error]") || strings.Contains(s, "[fatal]") {
		j.fault(s)
	}
}

func ffplay() Player {
	return Player{
		Name: "ffplay", Program: []string{"ffplay"}, Packages: []string{"ffmpeg"}, Formats: Formats(), Titles: Formats(),
		run: func(ctx context.Context, j job) error {
			return j.program(ctx, j.avLine, "ffplay", "-hide_banner", "-nostats", "-loglevel", "level+verbose", "-nodisp", "-autoexit", j.url)
		},
	}
}

func ffmpeg() Player {
	return Player{
		Name: "ffmpeg", Program: []string{"ffmpeg"}, Packages: []string{"ffmpeg"}, Formats: Formats(), Titles: Formats(),
		run: func(ctx context.Context, j job) error {
			return j.program(ctx, j.avLine, "ffmpeg", "-hide_banner", "-nostats", "-nostdin", "-loglevel", "level+verbose", "-i", j.url,
				"-f", "pulse", "-device", "radio", "player")
		},
	}
}

func gstreamer() Player {
	return Player{
		Name: "GStreamer", Program: []string{"gst-launch-1.0"},
		Packages: []string{"gstreamer1.0-tools", "gstreamer1.0-plugins-good", "gstreamer1.0-plugins-bad", "gstreamer1.0-libav"},
		Formats:  Formats(), Titles: Formats(),
		run: func(ctx context.Context, j job) error {
			titleTag := regexp.MustCompile(`^ +title: (.*)$`)
			return j.program(ctx, func(s string) {
				if m := titleTag.FindStringSubmatch(s); m != nil {
					j.title(m[1])
				} else if strings.HasPrefix(s, "ERROR") || strings.HasPrefix(s, "WARNING") {
					j.fault(s)
				}
			}, "gst-launch-1.0", "-t", "playbin", "uri="+j.url, "audio-sink=pulsesink")
		},
	}
}
