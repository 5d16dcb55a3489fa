// SPDX-License-Identifier: MIT

package ingest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"streamer/internal/codec"
)

// entriesMax bounds what one pass plays: folders and lists together.
const entriesMax = 100_000

// audioExtensions are the names that a folder's files are tried by; the demuxer decides what they are. Some are here only to
// be refused by name.
const audioExtensions = " .mp3 .mp2 .aac .ogg .oga .opus .flac .webm .weba .mka .mkv .wav .m4a .mp4 .wma .aiff .ape .alac .mpc .spx "

const listExtensions = " .m3u .m3u8 .pls .xspf "

// An entry is one thing to play.
type entry struct {
	kind  Kind
	place string      // path or URL; "-" for standard input
	title codec.Event // from the list that names it, or from the file's name
	depth int         // of lists around it
}

// name is the place as people may see it: without the password of a URL.
func (e entry) name() string {
	if e.kind == KindHTTP {
		if u, err := url.Parse(e.place); err == nil {
			return u.Redacted()
		}
	}
	return e.place
}

// isURL tells http and https URLs from paths.
func isURL(place string) bool {
	_, ok := cutScheme(place)
	return ok
}

func hasExtension(name, extensions string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext != "" && strings.Contains(extensions, " "+ext+" ")
}

// An expander makes entries of inputs: folders and local lists become what they name. What cannot be read is logged and
// skipped.
type expander struct {
	log     *slog.Logger
	entries []entry
	last    error // why the last thing was skipped
}

func (x *expander) skip(place string, err error) {
	x.last = fmt.Errorf("%s: %w", place, err)
	x.log.Warn("skipped", "input", place, "error", err)
}

// input adds what one input, or one entry of a local list, stands for.
func (x *expander) input(place, title string, depth int) {
	if len(x.entries) >= entriesMax {
		return
	}
	e := entry{kind: KindFile, place: place, title: splitTitle(toUTF8(title, "")), depth: depth}
	switch {
	case place == "-":
		e.kind = KindStdin
	case isURL(place):
		e.kind = KindHTTP
	case hasExtension(place, listExtensions):
		if err := x.list(place, depth+1); err != nil {
			x.skip(place, err)
		}
		return
	default:
		info, err := os.Stat(place)
		if err != nil {
			x.skip(place, errors.Unwrap(err))
			return
		}
		if info.IsDir() {
			x.folder(place)
			return
		}
		if title == "" {
			e.title = fileTitle(filepath.Base(place))
		}
	}
	x.entries = append(x.entries, e)
}

// folder adds the audio files below dir, in the order of their names. It follows links to files, not to folders.
func (x *expander) folder(dir string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			x.skip(path, err)
			return nil
		case len(x.entries) >= entriesMax:
			return fs.SkipAll
		case path != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() || !hasExtension(path, audioExtensions):
			return nil
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return nil //nolint:nilerr // a dangling link, or a device: no audio
		}
		x.entries = append(x.entries, entry{kind: KindFile, place: path, title: fileTitle(d.Name())})
		return nil
	})
	if err != nil {
		x.skip(dir, err)
	}
}

// list adds what a local playlist names, relative to its folder.
func (x *expander) list(path string, depth int) error {
	if depth > listDepthMax {
		return fmt.Errorf("lists in lists more than %d deep", listDepthMax)
	}
	f, err := os.Open(path)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, listBytesMax+1))
	if err != nil {
		return err
	}
	named, err := parseList(data)
	if err != nil {
		return err
	}
	for _, n := range named {
		x.input(localPlace(filepath.Dir(path), n), n.Title, depth)
	}
	return nil
}

// localPlace makes a path, or leaves a URL, of what a list in dir names. Names may be written with backslashes or in
// Latin-1; what exists decides.
func localPlace(dir string, n listEntry) string {
	place := n.Place
	if isURL(place) {
		return place
	}
	if len(place) >= 7 && strings.EqualFold(place[:7], "file://") {
		if u, err := url.Parse(place); err == nil {
			place = filepath.FromSlash(strings.TrimPrefix(u.Path, windowsSlash(u.Path)))
		}
	} else if n.encoded {
		place = filepath.FromSlash(unescape(place))
	}
	join := func(p string) string {
		if filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	slashed := strings.ReplaceAll(place, `\`, "/")
	for _, p := range [...]string{place, slashed, toUTF8(place, ""), toUTF8(slashed, "")} {
		if utf8.ValidString(p) || p == place {
			if _, err := os.Stat(join(p)); err == nil {
				return join(p)
			}
		}
	}
	return join(place)
}

// windowsSlash is the slash in front of a drive in a file URL's path: "/C:/music".
func windowsSlash(path string) string {
	if len(path) > 2 && path[0] == '/' && path[2] == ':' {
		return "/"
	}
	return ""
}

// remoteEntries makes entries of a playlist that came from a URL. It may name only other URLs: a stranger's list must not
// read this machine's files.
func remoteEntries(base *url.URL, named []listEntry, depth int) []entry {
	var entries []entry
	for _, n := range named {
		u, err := base.Parse(n.Place)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" {
			continue
		}
		entries = append(entries, entry{
			kind: KindHTTP, place: u.String(), title: splitTitle(toUTF8(n.Title, "")), depth: depth,
		})
	}
	return entries
}
