//go:build lab && linux

package page

import "testing"

const adhoc = `(async () => {
	const audio = document.querySelector("#audio"), log = [], t0 = performance.now();
	for (const n of ["waiting", "stalled", "playing"]) audio.addEventListener(n, () => log.push(n + " at " + audio.currentTime.toFixed(2) + " wall " + ((performance.now()-t0)/1000).toFixed(2) + " buffered " + (audio.buffered.length ? audio.buffered.end(audio.buffered.length-1).toFixed(2) : "-") + " ready " + audio.readyState));
	let least = 99, trace = [];
	const iv = setInterval(() => { const b = audio.buffered.length ? audio.buffered.end(audio.buffered.length-1) - audio.currentTime : -1; if (audio.currentTime > 1) least = Math.min(least, b); trace.push(b.toFixed(1)); }, 1000);
	await new Promise((d) => setTimeout(d, 45000));
	clearInterval(iv);
	return {log, least, trace: trace.join(" "), at: audio.currentTime};
})()`

func TestAdhoc(t *testing.T) {
	nd := newListener(t)
	c := newCrowd()
	a := open(t, nd.url("/#/station/"+studio.ready.StationID))
	b := open(t, between(t, nd, c.stream)+"/#/station/"+studio.ready.StationID)
	t.Run("x", func(t *testing.T) {
		for name, v := range map[string]*view{"direct": a, "proxy": b} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				v.await(`document.querySelector("#station-play").checkVisibility()`)
				v.click("#station-play")
				t.Logf("%s: %v", name, value[any](v, adhoc))
			})
		}
	})
}
