// SPDX-License-Identifier: MIT

//go:build lab && linux

package browser_test

import (
	"context"
	"testing"
	"time"

	"streamer/lab/browser"
)

// restless is a page whose two buttons change places every 3 ms, until half a second after the first press.
const restless = `data:text/html,<button id="this">this</button><p><button id="other">other</button></p><script>
document.clicks = [];
for (const b of document.querySelectorAll("button")) b.addEventListener("click", () => document.clicks.push(b.id));
const swap = setInterval(() => document.body.append(document.body.firstElementChild), 3);
addEventListener("pointerdown", () => setTimeout(() => clearInterval(swap), 500), {once: true});
</script>`

// A click meets the element that it is meant for and nothing else, while the page moves its elements.
func TestClickOnWhatMoves(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	b, err := browser.Start(ctx, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	for range 5 {
		p, err := b.Open(restless)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Click("#this", 1); err != nil {
			t.Error(err)
		}
		var clicks []string
		if err := p.Evaluate(`document.clicks`, &clicks); err != nil {
			t.Fatal(err)
		}
		if len(clicks) != 1 || clicks[0] != "this" {
			t.Errorf("a click on %q: clicks on %q", "this", clicks)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
