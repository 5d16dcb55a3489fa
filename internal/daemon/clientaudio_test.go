// SPDX-License-Identifier: MIT

package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"streamer/internal/daemon"
	"streamer/internal/identity"
	"streamer/internal/playback"
)

// A pretender answers as a node does, up to the audio.
func pretender(t *testing.T, audio http.HandlerFunc) *daemon.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<meta name="streamer-token" content="t">`)
	})
	mux.HandleFunc("POST /api/v1/tune", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	mux.HandleFunc("GET /listen/", audio)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	c := daemon.NewClient(s.URL)
	t.Cleanup(c.Close)
	return c
}

// listenTo has a Client fill a Channel until the test ends; ended gets what Listen returned.
func listenTo(t *testing.T, c *daemon.Client, l identity.Link) (channel *playback.Channel, ended chan error) {
	t.Helper()
	channel, ended = playback.NewChannel("?"), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	listening.Go(func() { ended <- c.Listen(ctx, l, channel) })
	t.Cleanup(func() { cancel(); listening.Wait() })
	return channel, ended
}

func TestListenRefusesWhatIsNoAudioOfOurs(t *testing.T) {
	for _, c := range []struct {
		name, want string
		audio      http.HandlerFunc
	}{
		{"a page", "no audio of ours", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<!DOCTYPE html><html>", strings.Repeat("hello", 1<<16))
		}},
		{"noise", "no audio of ours", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, 1<<18))
		}},
		{"another place", "307", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/secret", http.StatusTemporaryRedirect)
		}},
		{"a wish for a password", "401", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }},
		{"titles nowhere", "icy-metaint", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("icy-metaint", "999999999") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, ended := listenTo(t, pretender(t, c.audio), identity.Link{Station: stationID(1)})
			select {
			case err := <-ended:
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want an error with %q", err, c.want)
				}
			case <-time.After(patience):
				t.Error("it goes on")
			}
		})
	}
}

// A node says after a while that nothing came, or its audio is cut off: it is asked again, and the channel goes on.
func TestListenComesBack(t *testing.T) {
	file := makeSound(t, "sound.mp3", 4, "-b:a", "64k", "-write_xing", "0", "-id3v2_version", "0")
	sound, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const cutAt = 20000
	heard := make(chan struct{}) // the beginning; a station that ends before anybody has looked is one that is off the air
	times := 0                   // only one request is open at a time
	c := pretender(t, func(w http.ResponseWriter, r *http.Request) {
		times++
		w.Header().Set("icy-name", "Night Ship")
		switch times {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			w.Header().Set("icy-metaint", "5000")
			text := "StreamTitle='One';StreamUrl='';\x00"
			for i := 0; i < cutAt; i += 5000 {
				_, _ = w.Write(sound[i : i+5000])
				_, _ = w.Write(append([]byte{byte(len(text) / 16)}, text...))
			}
			w.(http.Flusher).Flush() //nolint:forcetypeassert // net/http's own
			<-heard
		default:
			_, _ = w.Write(sound)
			w.(http.Flusher).Flush() //nolint:forcetypeassert // net/http's own
			<-r.Context().Done()
		}
	})
	channel, _ := listenTo(t, c, identity.Link{Station: stationID(1)})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := &limited{n: 1, full: sync.OnceFunc(func() { close(heard) })}
	if err := playback.CopyTo(ctx, channel, first, 0); err != nil {
		t.Fatal(err)
	}
	if n := first.Len(); n < cutAt-1000 || !bytes.HasPrefix(sound, first.Bytes()) {
		t.Errorf("the first %d bytes are not those of the source", n)
	}
	if i := channel.Info(); i.Name != "Night Ship" || i.Title() != "One" {
		t.Errorf("the station is %q and plays %q", i.Name, i.Title())
	}
	enough := &limited{n: 28000, full: cancel}
	if err := playback.CopyTo(ctx, channel, enough, 0); err != nil || enough.Len() < enough.n || !bytes.Contains(sound, enough.Bytes()) {
		t.Errorf("%v, or the %d bytes after it came back are not those of the source", err, enough.Len())
	}
}

// A limited buffer tells when it has n bytes.
type limited struct {
	bytes.Buffer
	n    int
	full func()
}

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) >= l.n {
		defer l.full()
	}
	return l.Buffer.Write(p)
}
