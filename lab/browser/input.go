// SPDX-License-Identifier: MIT

package browser

import (
	"encoding/json"
	"fmt"
)

// keys are the keys that Press knows, beside letters and digits: the name, its code, and the text that it gives.
var keys = map[string]struct {
	code int
	text string
}{
	"Tab": {9, ""}, "Enter": {13, "\r"}, "Escape": {27, ""}, " ": {32, " "}, "PageUp": {33, ""}, "PageDown": {34, ""}, "End": {35, ""},
	"Home": {36, ""}, "ArrowLeft": {37, ""}, "ArrowUp": {38, ""}, "ArrowRight": {39, ""}, "ArrowDown": {40, ""}, "Backspace": {8, ""},
}

const shift = 8 // as the protocol counts modifiers

// Press presses a key and lets it go, as a keyboard would. "Shift+" may go before it.
func (p *Page) Press(key string) error {
	modifiers := 0
	if key[:min(6, len(key))] == "Shift+" {
		modifiers, key = shift, key[6:]
	}
	k, ok := keys[key]
	if !ok {
		return fmt.Errorf("no key %q", key)
	}
	code := key
	if key == " " {
		code = "Space"
	}
	event := map[string]any{
		"type": "keyDown", "key": key, "code": code, "windowsVirtualKeyCode": k.code, "modifiers": modifiers,
	}
	if k.text != "" {
		event["text"] = k.text
	} else {
		event["type"] = "rawKeyDown"
	}
	if err := p.Call("Input.dispatchKeyEvent", event, nil); err != nil {
		return err
	}
	delete(event, "text")
	event["type"] = "keyUp"
	return p.Call("Input.dispatchKeyEvent", event, nil)
}

// Type gives the focused element a text.
func (p *Page) Type(text string) error {
	return p.Call("Input.insertText", map[string]any{"text": text}, nil)
}

// Click clicks so many times with the mouse on the middle of the first element that a selector finds, which is scrolled into sight.
func (p *Page) Click(selector string, times int) error {
	name, err := json.Marshal(selector)
	if err != nil {
		return err
	}
	var at struct{ X, Y float64 }
	if err := p.Evaluate(`(() => {
		const e = document.querySelector(`+string(name)+`);
		if (!e) throw new Error("no such element");
		e.scrollIntoView({block: "center", behavior: "instant"});
		const r = e.getBoundingClientRect();
		const x = r.left + r.width / 2, y = r.top + r.height / 2;
		const on = document.elementFromPoint(x, y);
		if (!on || !(e.contains(on) || on.contains(e) || e.labels && [...e.labels].some((l) => l.contains(on)))) {
			throw new Error("covered by " + (on ? on.outerHTML.slice(0, 200) : "nothing") + " at " + x + "," + y);
		}
		return {X: x, Y: y};
	})()`, &at); err != nil {
		return fmt.Errorf("click on %s: %w", selector, err)
	}
	for n := 1; n <= times; n++ {
		for _, what := range []string{"mousePressed", "mouseReleased"} {
			if err := p.Call("Input.dispatchMouseEvent", map[string]any{
				"type": what, "x": at.X, "y": at.Y, "button": "left", "clickCount": n,
			}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// Viewport sets the size of the window in CSS pixels.
func (p *Page) Viewport(width, height int) error {
	return p.Call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
	}, nil)
}

// Media sets features of the system that style sheets ask for: "prefers-color-scheme", "dark" and so on, in pairs.
func (p *Page) Media(pairs ...string) error {
	features := []map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		features = append(features, map[string]string{"name": pairs[i], "value": pairs[i+1]})
	}
	return p.Call("Emulation.setEmulatedMedia", map[string]any{"features": features}, nil)
}

// Languages sets the languages that the listener reads, the best first: "de,en".
func (p *Page) Languages(list string) error {
	return p.Call("Emulation.setUserAgentOverride", map[string]any{"userAgent": "Mozilla/5.0 (X11; Linux x86_64) Chrome", "acceptLanguage": list}, nil)
}

// Downloads has what is downloaded put into a directory, under the names that it comes with.
func (p *Page) Downloads(dir string) error {
	return p.b.call("", "Browser.setDownloadBehavior", map[string]any{"behavior": "allow", "browserContextId": p.context, "downloadPath": dir}, nil)
}
