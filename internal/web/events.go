// SPDX-License-Identifier: MIT

package web

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// A hub looks at the node while somebody is subscribed, and tells the subscribers what changed. One that does not take its
// events is dropped, in the middle of one if need be: browsers come back by themselves, and get everything anew.
type hub struct {
	look func(context.Context) (*view, error)
	poked,
	closed chan struct{}

	mu     sync.Mutex
	subs   map[*subscriber]struct{}
	last   *view // of the latest look; nil: none yet
	stop   context.CancelFunc
	done   sync.WaitGroup
	isShut bool
}

// A subscriber is one open event stream.
type subscriber struct {
	events chan event
	begun  bool                  // it was told all there is; from then on, changes
	limit  func(time.Time) error // ends the write that is under way, or the next one, at that time
}

func newHub(look func(context.Context) (*view, error)) *hub {
	return &hub{
		look: look, poked: make(chan struct{}, 1), closed: make(chan struct{}), subs: make(map[*subscriber]struct{}),
	}
}

// subscribe returns nil when there are too many. The first one starts the looking. limit may be called until unsubscribe.
func (h *hub) subscribe(limit func(time.Time) error) *subscriber {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isShut || len(h.subs) >= SubscribersMax {
		return nil
	}
	sub := &subscriber{events: make(chan event, eventsQueued), limit: limit}
	if h.last != nil {
		sub.events <- h.last.everything()
		sub.begun = true
	}
	h.subs[sub] = struct{}{}
	if len(h.subs) == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		h.stop = cancel
		h.done.Go(func() { h.run(ctx) })
	}
	return sub
}

// unsubscribe may be called for one that has been dropped. The last one ends the looking.
func (h *hub) unsubscribe(sub *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(sub)
}

// remove takes a subscriber from the list. h.mu is held.
func (h *hub) remove(sub *subscriber) {
	if _, ok := h.subs[sub]; !ok {
		return
	}
	delete(h.subs, sub)
	if len(h.subs) == 0 {
		h.stop()
		h.last = nil
	}
}

// mayWrite gives a subscriber's next write its time. It returns false when there is to be none: the subscriber was dropped,
// or the hub is closed.
func (h *hub) mayWrite(sub *subscriber) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, is := h.subs[sub]
	return is && !h.isShut && sub.limit(time.Now().Add(answerTime)) == nil
}

func (h *hub) poke() {
	select {
	case h.poked <- struct{}{}:
	default:
	}
}

// close ends all streams, and waits until they have: politely, but for those that take longer than eventsLeave.
func (h *hub) close() {
	h.mu.Lock()
	if !h.isShut {
		h.isShut = true
		close(h.closed)
		for sub := range h.subs {
			_ = sub.limit(time.Now().Add(eventsLeave)) // the connection is gone: so is the stream
		}
	}
	h.mu.Unlock()
	h.done.Wait()
}

// run looks every second, and sooner when poked, until the last subscriber has gone.
func (h *hub) run(ctx context.Context) {
	tick := time.NewTicker(eventsEvery)
	defer tick.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, backendTime)
		now, err := h.look(asking)
		cancel()
		if err == nil {
			h.tell(ctx, now)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-h.poked:
			soon := time.NewTimer(eventsSoonest) // a burst of news is one
			select {
			case <-soon.C:
			case <-ctx.Done():
				soon.Stop()
				return
			}
		}
	}
}

// tell gives what changed to everybody, and everything to those who are new, and drops whom it cannot be queued for: they would
// take what is queued for as long as they like, an answerTime each. ctx tells a hub that was left and subscribed to again.
func (h *hub) tell(ctx context.Context, now *view) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil || len(h.subs) == 0 {
		return
	}
	changes := now.since(h.last)
	h.last = now
	for sub := range h.subs {
		e := changes
		if !sub.begun {
			e, sub.begun = now.everything(), true
		}
		if len(e) == 0 {
			continue
		}
		select {
		case sub.events <- e:
		default:
			h.remove(sub)
			_ = sub.limit(time.Now()) // it is in a write, or about to begin one; the connection ends with it
		}
	}
}

func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	sub := s.events.subscribe(control.SetWriteDeadline)
	if sub == nil {
		w.Header().Set("Retry-After", "10")
		fail(w, http.StatusServiceUnavailable, "too many event streams are open")
		return
	}
	defer s.events.unsubscribe(sub)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	alive := time.NewTicker(eventsKeepalive)
	defer alive.Stop()
	next := event("retry: 2000\n\n")
	for s.events.mayWrite(sub) {
		if _, err := w.Write(next); err != nil {
			return
		}
		if err := control.Flush(); err != nil {
			return
		}
		select {
		case next = <-sub.events:
		case <-alive.C:
			next = event(": alive\n\n")
		case <-r.Context().Done():
			return
		case <-s.events.closed:
			return
		}
	}
}
