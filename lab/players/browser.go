// SPDX-License-Identifier: MIT

package players

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// chromium plays with an audio element, in a page of the server itself: other sites may not tune a node in. It is told what
// to do by its DevTools protocol, over a pipe. Browsers never ask for titles.
func chromium() Player {
	return Player{
		Name: "Chromium", Program: []string{"chromium"}, Packages: []string{"chromium"}, Formats: Formats(),
		run: func(ctx context.Context, j job) error {
			page, err := url.Parse(j.url)
			if err != nil {
				return err
			}
			page.Path = "/"
			b, err := newBrowser(ctx, j.card)
			if err != nil {
				return err
			}
			return errors.Join(j.element(ctx, b, page.String()), b.close())
		},
	}
}

// element plays j.url in an audio element of a page.
func (j job) element(ctx context.Context, b *browser, page string) error {
	if err := b.open(page); err != nil {
		return err
	}
	j.began = time.Now()
	address, err := json.Marshal(j.url)
	if err != nil {
		return err
	}
	var outcome string
	if err := b.evaluate(`new Promise((done) => {
		const a = window.player = new Audio(`+string(address)+`);
		window.faults = [];
		a.addEventListener("error", () => { faults.push("error " + a.error.code + " " + a.error.message); done(faults[0]); });
		a.addEventListener("ended", () => faults.push("ended at " + a.currentTime));
		a.addEventListener("waiting", () => a.currentTime > 0 && faults.push("waits at " + a.currentTime));
		a.play().then(() => done(""), (e) => done(String(e)));
		setTimeout(() => done("not playing after 15 s"), 15000);
	})`, &outcome); err != nil {
		return err
	}
	j.fault(outcome)
	select {
	case <-time.After(max(0, j.time-time.Since(j.began))):
	case <-ctx.Done():
		return ctx.Err()
	}
	var faults []string
	if err := b.evaluate(`window.faults`, &faults); err != nil {
		return err
	}
	for _, f := range faults {
		j.fault(f)
	}
	return b.evaluate(`player.pause(); player.removeAttribute("src"); player.load(); ""`, &outcome)
}

// A browser is a Chromium that is told what to do.
type browser struct {
	cancel  context.CancelFunc
	ended   chan struct{}
	to      *os.File // NUL-terminated JSON messages
	from    *os.File
	in      *bufio.Reader
	id      int
	session string
}

func newBrowser(ctx context.Context, c *card) (*browser, error) {
	theirIn, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	from, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), to.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := command(ctx, "chromium", "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run", "--disable-gpu",
		"--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--autoplay-policy=no-user-gesture-required", "--user-data-dir="+filepath.Join(c.home, "chromium"), "about:blank")
	cmd.Env = append(os.Environ(), c.env...)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4
	err = cmd.Start()
	err = errors.Join(err, theirIn.Close(), theirOut.Close())
	b := &browser{cancel: cancel, ended: make(chan struct{}), to: to, from: from, in: bufio.NewReader(from)}
	if err != nil {
		cancel()
		return nil, errors.Join(err, to.Close(), from.Close())
	}
	go func() {
		_ = cmd.Wait()                                      // it is ended by a signal: no news
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind
		close(b.ended)
	}()
	return b, nil
}

func (b *browser) close() error {
	b.cancel()
	<-b.ended
	return errors.Join(b.to.Close(), b.from.Close())
}

// open shows a page in a new tab.
func (b *browser) open(page string) error {
	var target struct {
		TargetID string `json:"targetId"`
	}
	if err := b.call("Target.createTarget", map[string]any{"url": page}, &target); err != nil {
		return err
	}
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	if err := b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached); err != nil {
		return err
	}
	b.session = attached.SessionID
	for deadline := time.Now().Add(cardStart); ; time.Sleep(20 * time.Millisecond) {
		var at string
		err := b.evaluate(`document.readyState === "complete" ? location.origin : ""`, &at) // fails between two documents
		if err == nil && at != "" && at != "null" {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("chromium does not show %s", page), err)
		}
	}
}

// evaluate runs JavaScript in the page, waits for its promise, and reads its value into v.
func (b *browser) evaluate(expression string, v any) error {
	var r struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	err := b.call("Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
	}, &r)
	switch {
	case err != nil:
		return err
	case r.Exception != nil:
		return errors.New("chromium: " + r.Exception.Text)
	case len(r.Result.Value) == 0:
		return errors.New("chromium: no value")
	}
	return json.Unmarshal(r.Result.Value, v)
}

// call sends a command and waits for its answer.
func (b *browser) call(method string, params, result any) error {
	b.id++
	message := map[string]any{"id": b.id, "method": method, "params": params}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		return fmt.Errorf("tell chromium to %s: %w", method, err)
	}
	for {
		text, err := b.in.ReadBytes(0)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("it has ended")
			}
			return fmt.Errorf("hear from chromium about %s: %w", method, err)
		}
		var answer struct {
			ID     int             `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  *struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if err := json.Unmarshal(text[:len(text)-1], &answer); err != nil {
			return fmt.Errorf("hear from chromium about %s: %w", method, err)
		}
		switch {
		case answer.ID != b.id: // an event
		case answer.Error != nil:
			return fmt.Errorf("chromium %s: %s", method, answer.Error.Message)
		default:
			return json.Unmarshal(answer.Result, result)
		}
	}
}
