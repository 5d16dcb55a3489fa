// SPDX-License-Identifier: MIT

package tools

import (
	"context"
	"fmt"
	"strings"
)

// shoutTools are the programs built on libshout.
func shoutTools() []Tool {
	gst := func(name, protocol string, formats ...Format) Tool {
		return Tool{
			Name: name, Program: []string{"gst-launch-1.0"}, Formats: formats,
			Titles:   []Format{MP3, Vorbis, OggFLAC}, // its parsers drop the tags of the others
			Packages: []string{"gstreamer1.0-tools", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good"},
			run:      func(ctx context.Context, _ Tool, j Job) error { return runGStreamer(ctx, j, protocol) },
		}
	}
	ez := func(name, protocol string, formats ...Format) Tool {
		return Tool{
			Name: name, Program: []string{"ezstream"}, Packages: []string{"ezstream"}, Formats: formats, Titles: tagged(),
			run: func(ctx context.Context, _ Tool, j Job) error { return runEzstream(ctx, j, protocol) },
		}
	}
	return []Tool{
		{
			Name: "ices2", Program: []string{"ices2"}, Packages: []string{"ices2"}, Formats: []Format{Vorbis}, Titles: tagged(),
			run: runIces,
		},
		ez("ezstream", "HTTP", MP3, Vorbis, Opus, OggFLAC), // its libshout refuses WebM
		ez("ezstream shoutcast", "ICY", MP3),
		gst("gstreamer", "http", MP3, Vorbis, Opus, OggFLAC, WebM),
		gst("gstreamer shoutcast", "icy", MP3),
		gst("gstreamer xaudiocast", "xaudiocast", MP3),
	}
}

func runIces(ctx context.Context, _ Tool, j Job) error {
	playlist, err := j.write("playlist.txt", j.File+"\n")
	if err != nil {
		return err
	}
	config, err := j.write("ices.xml", fmt.Sprintf(`<ices>
<background>0</background><logpath>%s</logpath><logfile>ices.log</logfile><loglevel>4</loglevel><consolelog>1</consolelog>
<stream>
 <metadata><name>Streamer test</name><genre>test</genre><description>A test</description></metadata>
 <input><module>playlist</module><param name="type">basic</param><param name="file">%s</param>
  <param name="random">0</param><param name="once">1</param><param name="restart-after-reread">0</param></input>
 <instance><hostname>%s</hostname><port>%d</port><password>%s</password><mount>%s</mount>
  <reconnectdelay>1</reconnectdelay><reconnectattempts>1</reconnectattempts><maxqueuelength>800</maxqueuelength></instance>
</stream></ices>
`, j.Dir, playlist, j.Server.Host, j.Server.Port, j.Server.Password, j.Server.Mount))
	if err != nil {
		return err
	}
	return run(command(ctx, "ices2", config))
}

func runEzstream(ctx context.Context, j Job, protocol string) error {
	format := map[Format]string{MP3: "MP3", Vorbis: "Ogg", Opus: "Ogg", OggFLAC: "Ogg", WebM: "WebM"}[j.Format]
	config, err := j.write("ezstream.xml", fmt.Sprintf(`<ezstream>
<servers><server><protocol>%s</protocol><hostname>%s</hostname><port>%d</port><password>%s</password>
 <reconnect_attempts>1</reconnect_attempts></server></servers>
<streams><stream><mountpoint>%s</mountpoint><format>%s</format>
 <stream_name>Streamer test</stream_name><stream_genre>test</stream_genre></stream></streams>
<intakes><intake><type>file</type><filename>%s</filename><stream_once>yes</stream_once></intake></intakes>
</ezstream>
`, protocol, j.Server.Host, j.Server.Port, j.Server.Password, j.Server.Mount, format, j.File))
	if err != nil {
		return err
	}
	return run(command(ctx, "ezstream", "-v", "-c", config))
}

func runGStreamer(ctx context.Context, j Job, protocol string) error {
	parse := map[Format]string{
		MP3:     "id3demux ! mpegaudioparse",
		Vorbis:  "oggdemux ! vorbisparse ! oggmux",
		Opus:    "oggdemux ! opusparse ! oggmux",
		OggFLAC: "oggdemux ! flacparse ! oggmux",
		WebM:    "matroskademux ! opusparse ! webmmux streamable=true",
	}[j.Format]
	pipeline := fmt.Sprintf("filesrc location=%s ! %s ! shout2send sync=true ip=%s port=%d password=%s mount=%s protocol=%s",
		j.File, parse, j.Server.Host, j.Server.Port, j.Server.Password, j.Server.Mount, protocol)
	return run(command(ctx, "gst-launch-1.0", append([]string{"-q"}, strings.Fields(pipeline)...)...))
}
