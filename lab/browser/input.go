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

// clickTries is how often a click is tried on an element that moves away under the mouse.
const clickTries = 20

// Click clicks so many times with the mouse on the middle of the first element that a selector finds, which is scrolled into sight. A page that
// is being filled moves its elements: a click that would meet another element is kept from it and tried again.
func (p *Page) Click(selector string, times int) error {
	name, err := json.Marshal(selector)
	if err != nil {
		return err
	}
	for range clickTries {
		hit, err := p.tryClick(string(name), times)
		if err != nil {
			return fmt.Errorf("click on %s: %w", selector, err)
		}
		if hit {
			return nil
		}
	}
	return fmt.Errorf("click on %s: in %d tries it never stayed where it was", selector, clickTries)
}

// aim finds where an element is, and guards the others: what is pressed or let go beside it has no effect.
const aim = `(async (name) => {
	const find = () => {
		const e = document.querySelector(name);
		if (!e) throw new Error("no such element");
		return e;
	};
	const meets = (e, on) => e.contains(on) || e.labels && [...e.labels].some((l) => l.contains(on));
	const e = find();
	e.scrollIntoView({block: "center", behavior: "instant"});
	const r = e.getBoundingClientRect();
	const x = r.left + r.width / 2, y = r.top + r.height / 2;
	const on = document.elementFromPoint(x, y);
	if (!meets(e, on)) throw new Error("covered by " + (on ? on.outerHTML.slice(0, 200) : "nothing") + " at " + x + "," + y);
	document.aim?.end();
	const guard = (event) => {
		const met = meets(find(), event.target);
		if (event.type === "click") document.aim.hit = met; // pressed and let go on it
		if (met) return;
		event.preventDefault();
		event.stopImmediatePropagation();
	};
	const kinds = ["pointerdown", "mousedown", "pointerup", "mouseup", "click", "dblclick"];
	for (const kind of kinds) window.addEventListener(kind, guard, true);
	document.aim = {hit: false, end: () => { for (const kind of kinds) window.removeEventListener(kind, guard, true); }};
	return {X: x, Y: y};
})`

// tryClick clicks, and says whether the element was still there.
func (p *Page) tryClick(name string, times int) (hit bool, err error) {
	var at struct{ X, Y float64 }
	if err := p.Evaluate(aim+"("+name+")", &at); err != nil {
		return false, err
	}
	for n := 1; n <= times; n++ {
		for _, what := range []string{"mousePressed", "mouseReleased"} {
			if err := p.Call("Input.dispatchMouseEvent", map[string]any{
				"type": what, "x": at.X, "y": at.Y, "button": "left", "clickCount": n,
			}, nil); err != nil {
				return false, err
			}
		}
	}
	// Without a guard this is another document already, which only a click that hit has brought.
	err = p.Evaluate(`(() => { document.aim?.end(); return document.aim?.hit ?? true; })()`, &hit)
	return hit, err
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
