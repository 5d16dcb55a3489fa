// SPDX-License-Identifier: MIT

package browser

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	faultsMax  = 50  // kept of a page
	answersMax = 500 // likewise
	lookEvery  = 20 * time.Millisecond
)

// A Page is a window of its own, with storage of its own: it shares nothing with other Pages.
type Page struct {
	b       *Browser
	context string
	target  string
	session string

	mu      sync.Mutex
	faults  []string
	answers []Answer
	bytes   int64
}

// An Answer is what came back for a request of a page.
type Answer struct {
	URL    string
	Type   string // as DevTools call it: Document, Fetch, Image, Media, ...
	Status int
}

// Open shows an address in a new window, and returns when the document is complete.
func (b *Browser) Open(address string) (*Page, error) {
	p, err := b.New()
	if err != nil {
		return nil, err
	}
	if err := p.Go(address); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// New opens a window that shows nothing.
func (b *Browser) New() (*Page, error) {
	p := &Page{b: b}
	var made struct {
		Context string `json:"browserContextId"`
		Target  string `json:"targetId"`
		Session string `json:"sessionId"`
	}
	if err := b.call("", "Target.createBrowserContext", map[string]any{}, &made); err != nil {
		return nil, err
	}
	p.context = made.Context
	err := b.call("", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": p.context, "newWindow": true}, &made)
	if err != nil {
		return nil, err
	}
	p.target = made.Target
	if err := b.call("", "Target.attachToTarget", map[string]any{"targetId": p.target, "flatten": true}, &made); err != nil {
		return nil, err
	}
	p.session = made.Session
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, method := range []string{"Page.enable", "Runtime.enable", "Log.enable", "Network.enable"} {
		if err := p.Call(method, nil, nil); err != nil {
			return nil, err
		}
	}
	return p, p.Call("Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}, nil)
}

// Close closes the window and forgets what it stored.
func (p *Page) Close() error {
	p.b.mu.Lock()
	delete(p.b.pages, p.session)
	p.b.mu.Unlock()
	return p.b.call("", "Target.disposeBrowserContext", map[string]any{"browserContextId": p.context}, nil)
}

// Call sends a command of the DevTools protocol and reads the answer into result, unless that is nil.
func (p *Page) Call(method string, params, result any) error {
	return p.b.call(p.session, method, params, result)
}

// Go goes to an address and returns when its document, a new one in any case, is complete.
func (p *Page) Go(address string) error {
	var r struct {
		Error  string `json:"errorText"`
		Loader string `json:"loaderId"`
	}
	if err := p.Evaluate(`document.old = true`, nil); err != nil {
		return err
	}
	if err := p.Call("Page.navigate", map[string]any{"url": address}, &r); err != nil {
		return err
	}
	if r.Error != "" {
		return fmt.Errorf("chromium does not show %s: %s", address, r.Error)
	}
	if r.Loader == "" { // another place in the same document
		if err := p.Call("Page.reload", nil, nil); err != nil {
			return err
		}
	}
	return p.Await(`document.readyState === "complete" && !document.old`)
}

// Await waits until the expression is true, or a minute.
func (p *Page) Await(expression string) error {
	deadline := time.Now().Add(answerTime)
	for {
		var is bool
		err := p.Evaluate("Boolean("+expression+")", &is)
		if err == nil && is {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("not within %v: %s", answerTime, expression), err)
		}
		time.Sleep(lookEvery)
	}
}

// Evaluate runs JavaScript in the page, waits for its promise, and reads its value into v, unless that is nil. It
// fails while one document follows another.
func (p *Page) Evaluate(expression string, v any) error {
	var r struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := p.Call("Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
	}, &r)
	switch {
	case err != nil:
		return err
	case r.Exception != nil:
		return fmt.Errorf("chromium: %s %s", r.Exception.Text, r.Exception.Exception.Description)
	case v == nil:
		return nil
	case len(r.Result.Value) == 0:
		return errors.New("chromium: no value")
	}
	return json.Unmarshal(r.Result.Value, v)
}

// note keeps what a test may ask for: errors, and bytes that came over the wire.
func (p *Page) note(m message) {
	var e struct {
		Entry struct {
			Source, Level, Text, URL string
		}
		Details struct {
			Text      string
			Exception struct{ Description string }
		} `json:"exceptionDetails"`
		Type string
		Args []struct {
			Value       json.RawMessage
			Description string
		}
		Length   int64 `json:"encodedDataLength"`
		Response Answer
		Message  string
	}
	if json.Unmarshal(m.Params, &e) != nil {
		return
	}
	fault := ""
	switch m.Method {
	case "Log.entryAdded":
		if e.Entry.Level == "error" {
			fault = strings.TrimSpace(e.Entry.Source + ": " + e.Entry.Text + " " + e.Entry.URL)
		}
	case "Runtime.exceptionThrown":
		fault = "exception: " + e.Details.Text + " " + e.Details.Exception.Description
	case "Runtime.consoleAPICalled":
		if e.Type == "error" || e.Type == "assert" {
			fault = "console:"
			for _, a := range e.Args {
				fault += " " + string(a.Value) + a.Description
			}
		}
	case "Page.javascriptDialogOpening":
		fault = "dialog: " + e.Message
		go func() { _ = p.Call("Page.handleJavaScriptDialog", map[string]any{"accept": false}, nil) }() // this is the reader of its answer
	case "Network.responseReceived":
		p.mu.Lock()
		if e.Response.Type = e.Type; len(p.answers) < answersMax {
			p.answers = append(p.answers, e.Response)
		}
		p.mu.Unlock()
	case "Network.loadingFinished":
		p.mu.Lock()
		p.bytes += e.Length
		p.mu.Unlock()
	}
	if fault == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) < faultsMax {
		p.faults = append(p.faults, fault)
	}
}

// Faults returns what the page complained about so far: exceptions, errors on the console, refusals of its content security policy,
// requests that failed.
func (p *Page) Faults() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.faults)
}

// Answers returns what came back for the page's requests so far.
func (p *Page) Answers() []Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.answers)
}

// Bytes is how much the page's finished requests brought over the wire, heads included.
func (p *Page) Bytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}

// Screenshot returns a PNG of what is in sight or, when whole, of all that one would see by scrolling.
func (p *Page) Screenshot(whole bool) ([]byte, error) {
	var r struct {
		Data string `json:"data"`
	}
	if err := p.Call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": whole}, &r); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(r.Data)
}
