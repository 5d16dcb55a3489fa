// SPDX-License-Identifier: MIT

// Package tools runs the broadcast tools that people use, against a source port, so that tests can say what each of them
// really sends: a table of tool and format, sample files of every format, and packet hashes by ffmpeg to compare with.
//
// It judges nothing itself and knows nothing of Streamer. A tool that is not installed is an error that names its Debian
// package. Every process started here has ended when the call returns.
package tools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Format is a codec in its container, by the name that people give it.
type Format string

// The formats that the tools send.
const (
	MP3     Format = "mp3"
	AAC     Format = "aac" // ADTS
	Vorbis  Format = "ogg/vorbis"
	Opus    Format = "ogg/opus"
	OggFLAC Format = "ogg/flac"
	FLAC    Format = "flac"
	WebM    Format = "webm" // Opus
)

// Formats returns all formats.
func Formats() []Format { return []Format{MP3, AAC, Vorbis, Opus, OggFLAC, FLAC, WebM} }

// tagged are the formats whose samples have a title in the file.
func tagged() []Format { return []Format{MP3, Vorbis, Opus, OggFLAC, FLAC, WebM} }

// Extension returns the usual end of a file's name, with the dot.
func (f Format) Extension() string {
	switch f {
	case Vorbis:
		return ".ogg"
	case Opus:
		return ".opus"
	case OggFLAC:
		return ".oga"
	case MP3, AAC, FLAC, WebM:
		return "." + string(f)
	}
	return ""
}

// MIME is the type that tools declare.
func (f Format) MIME() string {
	switch f {
	case MP3:
		return "audio/mpeg"
	case AAC:
		return "audio/aac"
	case Vorbis, Opus, OggFLAC:
		return "application/ogg"
	case FLAC:
		return "audio/flac"
	case WebM:
		return "audio/webm"
	}
	return ""
}

// A Server is the source port to send to.
type Server struct {
	Host     string
	Port     int // the port that a user would give; SHOUTcast tools use the one above it
	Password string
	Mount    string // with its slash
}

func (s Server) addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// A Job is one file to send.
type Job struct {
	Format Format
	File   string // an existing file of that Format, from Sample
	Server Server
	Dir    string // for the tool's own files; must exist
}

func (j Job) write(name, text string) (string, error) {
	path := filepath.Join(j.Dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// A Tool is one way to run one program.
type Tool struct {
	Name     string   // unique: program and mode
	Program  []string // all that must be in PATH
	Packages []string // Debian packages of them
	Formats  []Format
	Encodes  bool     // it decodes the file and encodes anew: what it sends is known only from the wire
	Titles   []Format // those in which it tells the file's title, by request or in the stream
	run      func(ctx context.Context, t Tool, j Job) error
}

// Supports tells whether the tool can send f.
func (t Tool) Supports(f Format) bool { return slices.Contains(t.Formats, f) }

// Retitles tells whether the tool tells the title of a file of format f.
func (t Tool) Retitles(f Format) bool { return slices.Contains(t.Titles, f) }

// Run sends the job's file once, at the tool's own pace, and returns when the tool has ended. The error has the end of what
// the tool said.
func (t Tool) Run(ctx context.Context, j Job) error {
	for _, program := range t.Program {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s: %s is not installed: apt-get install %s", t.Name, program, strings.Join(t.Packages, " "))
		}
	}
	if !t.Supports(j.Format) {
		return fmt.Errorf("%s does not send %s", t.Name, j.Format)
	}
	if err := t.run(ctx, t, j); err != nil {
		return fmt.Errorf("%s with %s: %w", t.Name, j.Format, err)
	}
	return nil
}

// All returns every tool and mode, in a fixed order.
func All() []Tool {
	return slices.Concat(ffmpegTools(), curlTools(), liquidsoapTools(), shoutTools(), darkiceTools(), buttTools())
}

// command prepares a process that is interrupted, then killed, when ctx ends; its children get the same.
func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 3 * time.Second
	return cmd
}

// outputMax is how much of what a tool said an error shows.
const outputMax = 2000

// run waits for the process and reports a failure with what it said last.
func run(cmd *exec.Cmd) error {
	var said bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &said
	}
	cmd.Stderr = &said
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind
	}
	if err == nil {
		return nil
	}
	text := said.String()
	if len(text) > outputMax {
		text = "..." + text[len(text)-outputMax:]
	}
	return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, text)
}

// until runs a process that does not end by itself: it is stopped when done is closed, which is no failure.
func until(ctx context.Context, done <-chan struct{}, program string, env []string, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-done:
			cancel()
		case <-ctx.Done():
		}
	}()
	cmd := command(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	err := run(cmd)
	select {
	case <-done:
		err = nil
	default:
		if err == nil {
			err = errors.New(program + " ended before the file did")
		}
	}
	cancel()
	<-stopped
	return err
}
