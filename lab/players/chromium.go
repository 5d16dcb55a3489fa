// SPDX-License-Identifier: MIT

package players

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"path/filepath"
	"time"

	"streamer/lab/browser"
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
			b, err := chromiumOn(ctx, j.card)
			if err != nil {
				return err
			}
			return errors.Join(j.element(ctx, b, page.String()), b.Close())
		},
	}
}

// chromiumOn starts a browser that plays into a card, and does so without a click.
func chromiumOn(ctx context.Context, c *card) (*browser.Browser, error) {
	return browser.Start(ctx, filepath.Join(c.home, "chromium"), c.env, "--autoplay-policy=no-user-gesture-required")
}

// element plays j.url in an audio element of a page.
func (j job) element(ctx context.Context, b *browser.Browser, address string) error {
	p, err := b.Open(address)
	if err != nil {
		return err
	}
	j.began = time.Now()
	source, err := json.Marshal(j.url)
	if err != nil {
		return err
	}
	var outcome string
	if err := p.Evaluate(`new Promise((done) => {
		const a = window.player = new Audio(`+string(source)+`);
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
	if err := p.Evaluate(`window.faults`, &faults); err != nil {
		return err
	}
	for _, f := range faults {
		j.fault(f)
	}
	return p.Evaluate(`player.pause(); player.removeAttribute("src"); player.load(); ""`, &outcome)
}
