// SPDX-License-Identifier: MIT

// What the page knows of the node, and who wants to hear of changes. Only api.js and stations.js write here.

const listeners = new Map(); // name -> functions

/** state is the node's latest words. at: performance.now() when the status came. */
export const state = {status: null, at: 0, settings: null, titles: new Map(), gone: false};

export function on(name, call) {
  listeners.set(name, [...(listeners.get(name) ?? []), call]);
}

export function emit(name, value) {
  for (const call of listeners.get(name) ?? []) call(value);
}

export const tuned = (id) => state.status?.tuned.find((s) => s.id === id) ?? null;

/** timeline is the part of a station that the node keeps now, in ms, or null. live goes on between two looks at the node. */
export function timeline(id) {
  const s = tuned(id);
  if (!s?.timeline) return null;
  const since = s.online ? Math.min(performance.now() - state.at, 5000) : 0;
  return {from: s.timeline.from_ms, live: s.timeline.live_ms + since};
}
