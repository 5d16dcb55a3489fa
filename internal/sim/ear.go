// SPDX-License-Identifier: MIT

package sim

import (
	"bytes"
	"time"

	"streamer/internal/codec"
	"streamer/internal/mono"
	"streamer/internal/node"
)

// An ear hears one station for one host: it follows the notices of one life of the host, compares them with what was
// published, and remembers which chunks were on time.
type ear struct {
	joined  mono.Time
	started mono.Time // first audio; mono.Never: not yet
	latest  mono.Time // when audio came last
	lag     time.Duration
	player  player
	missing time.Duration // audio since the newest chunk
	length  time.Duration // of a chunk, as the last one said
	first   int           // index of the first audio chunk in broadcast.chunks
	newest  int           // index of the newest audio chunk
	epoch   uint32        // 0: none yet
	next    uint32        // sequence number that must come
	event   uint32        // newest event of the epoch so far
	synced  bool          // audio of this epoch has begun: from now on without a break
	ended   bool
	heard   uint64   // chunks of any kind
	bytes   uint64   // of their data
	late    uint64   // audio chunks that were not on time, though they came
	gaps    uint64   // chunks that notices called missing
	onTime  chunkSet // heard on time
	within  chunkSet // came within the play delay after publication
}

func (e *ear) join(now mono.Time) {
	*e = ear{joined: now, started: mono.Never, first: -1, newest: -1}
}

// observe checks a notice against the order that package node promises and against what was published.
func (w *World) observe(h *host, n *node.Notice) {
	w.trace.notice(w.now, h.index, n)
	if h.index == sourceIndex || w.isSeed(h) {
		return
	}
	e := &h.ear
	if n.Station != w.station.ID() {
		w.fail(h, checkOrder, "notice of a station that nobody tuned to")
		return
	}
	switch n.Kind {
	case node.NoticeEpoch:
		if n.Epoch <= e.epoch {
			w.fail(h, checkOrder, "epoch %d after epoch %d", n.Epoch, e.epoch)
		}
		e.epoch, e.next, e.event, e.synced, e.ended = n.Epoch, 0, 0, false, false
	case node.NoticeChunk:
		w.observeChunk(h, n)
	case node.NoticeGap:
		if n.Epoch != e.epoch || n.Count == 0 || e.synced && n.Seq != e.next {
			w.fail(h, checkOrder, "gap of %d at chunk %d/%d, want it at %d/%d", n.Count, n.Epoch, n.Seq, e.epoch, e.next)
		}
		e.next = n.Seq + n.Count
		e.gaps += uint64(n.Count)
		e.missing += time.Duration(n.Count) * e.length
		w.explain(h, "%d chunks from %d/%d on are missing", n.Count, n.Epoch, n.Seq)
	case node.NoticeEnded:
		if !w.faults.ended {
			w.fail(h, checkAltered, "the end of a stream that goes on")
		}
		e.ended = true
	default:
		w.fail(h, checkOrder, "notice of unknown kind %d", n.Kind)
	}
}

func (w *World) observeChunk(h *host, n *node.Notice) {
	e := &h.ear
	index := w.published.find(n.Epoch, n.Seq)
	if index < 0 {
		w.fail(h, checkAltered, "chunk %d/%d was never published", n.Epoch, n.Seq)
		return
	}
	p := &w.published.chunks[index]
	if uint8(p.Kind) != n.Chunk || !bytes.Equal(p.Data, n.Data) {
		w.fail(h, checkAltered, "chunk %d/%d is not what was published: kind %d want %d, %d bytes want %d",
			n.Epoch, n.Seq, n.Chunk, p.Kind, len(n.Data), len(p.Data))
	}
	w.checkPlace(h, p)
	e.heard++
	e.bytes += uint64(len(n.Data))
	p.escaped = true
	if p.Kind == codec.ChunkAudio {
		e.length = n.Duration
		w.hearAudio(h, index, p)
	}
}

// checkPlace sees that a chunk is the next one. A newcomer jumps from the headers into the middle of the stream, once in an
// epoch, and is told the event in force, from before that, as soon as it is known.
func (w *World) checkPlace(h *host, p *published) {
	e := &h.ear
	headers := w.published.headers(p.epoch)
	jump := !e.synced && e.next >= headers && p.seq >= headers
	inForce := p.Kind == codec.ChunkEvent && (!e.synced || p.seq < e.next) && p.seq > e.event
	if p.epoch != e.epoch || p.seq != e.next && !jump && !inForce {
		w.fail(h, checkOrder, "chunk %d/%d of kind %d, want %d/%d", p.epoch, p.seq, p.Kind, e.epoch, e.next)
	}
	if p.Kind == codec.ChunkEvent {
		e.event = p.seq
	}
	if p.seq != e.next && inForce {
		return
	}
	e.next = p.seq + 1
	e.synced = e.synced || p.Kind != codec.ChunkHeader
}

// hearAudio measures one audio chunk.
func (w *World) hearAudio(h *host, index int, p *published) {
	e := &h.ear
	if e.started == mono.Never {
		e.started = w.now
		e.first = index
		w.measure.startups = append(w.measure.startups, startup{joined: e.joined, took: w.now.Sub(e.joined), heard: true})
	}
	e.latest, e.newest = w.now, index
	lag := w.now.Sub(p.at)
	onTime := e.player.hear(lag, e.missing, e.length)
	e.missing = 0
	if p.at < e.joined {
		return // of the burst that fills a newcomer's buffer
	}
	w.measure.lag.add(lag)
	if lag <= w.scenario.PlayDelay {
		e.within.add(index)
	}
	if onTime {
		e.onTime.add(index)
	} else {
		if p.at >= mono.Time(w.scenario.Settled) {
			e.late++
		}
		w.explain(h, "silence until chunk %d/%d came %v after it was published", p.epoch, p.seq, lag)
	}
	if r := h.refill; r != nil && p.at >= r.since && p.at < r.until {
		r.worst = max(r.worst, lag)
	}
	if e.lag == 0 {
		e.lag = lag
	}
	e.lag += (lag - e.lag) / 16
}

// settle adds the life of an ear that ends now to the figures of the run.
func (w *World) settle(h *host) {
	e := &h.ear
	w.measure.add(h, w.now)
	if h.liar != nil {
		w.measure.lies += h.liar.told
	}
	if m, ok := h.node.(*impostor); ok {
		w.measure.lies += m.told
	}
	if h.liar != nil || h.index == sourceIndex || w.isSeed(h) {
		return
	}
	due, onTime, within := w.dues(e)
	if due > 0 {
		w.measure.shares = append(w.measure.shares, share{onTime: onTime, due: due})
		w.measure.within = append(w.measure.within, share{onTime: within, due: due})
	}
	if e.player.plays {
		w.measure.delays = append(w.measure.delays, e.player.delay)
	}
	if e.ended {
		w.measure.ended++
	}
	w.measure.late += e.late
	if took := w.now.Sub(e.joined); e.first < 0 && took >= startGrace {
		w.measure.startups = append(w.measure.startups, startup{joined: e.joined, took: took})
	}
	if due > onTime {
		w.measure.missing += due - min(due, onTime+e.late)
	}
}

// dues counts the audio chunks that one life of a host owed its listener: those published while it was tuned in, from its
// first one on, whose time has come. One that never started owed everything since it could have started.
func (w *World) dues(e *ear) (due, onTime, within uint64) {
	delay := w.scenario.PlayDelay
	if e.player.plays {
		delay = e.player.delay
	}
	for i := max(0, w.published.at(e.joined)); i < len(w.published.chunks); i++ {
		p := &w.published.chunks[i]
		if p.at.Add(delay) > w.now {
			break
		}
		tooEarly := e.first >= 0 && i < e.first || e.first < 0 && p.at < e.joined.Add(startGrace)
		if p.Kind != codec.ChunkAudio || !p.escaped || tooEarly {
			continue
		}
		onTimeHere := e.onTime.has(i)
		w.measure.inSeries(p.at, onTimeHere)
		if p.at < mono.Time(w.scenario.Settled) {
			continue
		}
		due++
		if onTimeHere {
			onTime++
		}
		if e.within.has(i) {
			within++
		}
		w.measure.due(e, p.at, onTimeHere)
	}
	return due, onTime, within
}
