// SPDX-License-Identifier: MIT

// Package browser runs Debian's Chromium without a window and tells it what to do by its DevTools protocol, over a pipe: open
// pages, evaluate JavaScript in them, press keys, take pictures.
//
// It knows nothing of Streamer and judges nothing. All processes that it started have ended when Close returns. A Browser and
// its Pages may be used by any number of goroutines.
package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	answerTime = 60 * time.Second // for an answer of Chromium's, on a loaded machine; longer is a fault
	stopTime   = 3 * time.Second
)

// A Browser is a running Chromium.
type Browser struct {
	cancel context.CancelFunc
	ended  chan struct{} // closed when all of it has ended
	to     *os.File      // NUL-terminated JSON messages
	from   *os.File

	mu      sync.Mutex
	id      int                    // of the last command
	waiting map[int]chan<- message // by the command's id; as many as callers wait
	pages   map[string]*Page       // by session
	gone    error                  // why there are no more answers
}

// A message is what Chromium says: an answer, or an event.
type message struct {
	ID      int             `json:"id"`
	Session string          `json:"sessionId"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// Start starts a Chromium that keeps its files in dir. Of env, names that the environment has too win. It ends with ctx or by Close.
func Start(ctx context.Context, dir string, env []string, flags ...string) (*Browser, error) {
	if _, err := exec.LookPath("chromium"); err != nil {
		return nil, fmt.Errorf("%w: apt-get install chromium", err)
	}
	theirIn, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	from, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), to.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, "chromium", append([]string{
		"--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run", "--disable-gpu",
		"--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir=" + dir, "--hide-scrollbars",
		// Pages that stand beside each other are all in front.
		"--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
	}, append(flags, "about:blank")...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = stopTime
	err = cmd.Start()
	err = errors.Join(err, theirIn.Close(), theirOut.Close())
	if err != nil {
		cancel()
		return nil, errors.Join(err, to.Close(), from.Close())
	}
	b := &Browser{cancel: cancel, ended: make(chan struct{}), to: to, from: from, waiting: make(map[int]chan<- message), pages: make(map[string]*Page)}
	heard := make(chan struct{})
	go func() {
		b.hear()
		close(heard)
	}()
	go func() {
		_ = cmd.Wait()                                      // it is ended by a signal: no news
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind
		<-heard
		close(b.ended)
	}()
	return b, nil
}

// Close ends the browser and waits until it has.
func (b *Browser) Close() error {
	b.cancel()
	<-b.ended
	return errors.Join(b.to.Close(), b.from.Close())
}

// hear gives each answer to whom waits for it, and each event to its page, until the pipe ends.
func (b *Browser) hear() {
	in := bufio.NewReader(b.from)
	var err error
	for err == nil {
		var text []byte
		if text, err = in.ReadBytes(0); err != nil {
			break
		}
		var m message
		if err = json.Unmarshal(text[:len(text)-1], &m); err == nil {
			b.take(m)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = fmt.Errorf("chromium has ended: %w", err)
	for id, c := range b.waiting {
		delete(b.waiting, id)
		close(c)
	}
}

func (b *Browser) take(m message) {
	b.mu.Lock()
	c, page := b.waiting[m.ID], b.pages[m.Session]
	delete(b.waiting, m.ID)
	b.mu.Unlock()
	switch {
	case c != nil:
		c <- m // has room for it
	case page != nil:
		page.note(m)
	}
}

// call sends a command, waits for its answer, and reads it into result unless that is nil.
func (b *Browser) call(session, method string, params, result any) error {
	c := make(chan message, 1)
	b.mu.Lock()
	if b.gone != nil {
		b.mu.Unlock()
		return fmt.Errorf("tell chromium to %s: %w", method, b.gone)
	}
	b.id++
	id := b.id
	text, err := json.Marshal(struct {
		ID      int    `json:"id"`
		Method  string `json:"method"`
		Params  any    `json:"params,omitempty"`
		Session string `json:"sessionId,omitempty"`
	}{id, method, params, session})
	if err == nil {
		b.waiting[id] = c
		_, err = b.to.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("tell chromium to %s: %w", method, err)
	}
	late := time.NewTimer(answerTime)
	defer late.Stop()
	select {
	case m, ok := <-c:
		switch {
		case !ok:
			return fmt.Errorf("hear from chromium about %s: it has ended", method)
		case m.Error != nil:
			return fmt.Errorf("chromium %s: %s", method, m.Error.Message)
		case result == nil:
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-late.C:
		b.mu.Lock()
		delete(b.waiting, id)
		b.mu.Unlock()
		return fmt.Errorf("chromium %s: no answer within %v", method, answerTime)
	}
}
