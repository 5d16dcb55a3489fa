// SPDX-License-Identifier: MIT

// What plays, and where on the station's timeline. The audio element plays /listen/ID, or /listen/ID?from=MS; what it shows
// as its time, counted from where the node said that it begins, is the listener's place.

import {emit, on, state, timeline, tuned} from "./state.js";
import {byId} from "./dom.js";
import {keep, kept, noteHeard} from "./keep.js";
import {station} from "./stations.js";
import * as api from "./api.js";

const audio = byId("audio");

const retryAfter = [500, 1000, 2000, 4000, 8000, 15000]; // ms
const silenceMax = 15000; // ms in which the sound stands still before the stream is asked for again
const pauseHeld = 10000; // ms of a pause in which the element's own stream is kept
const nearLive = 4000; // ms behind that still count as live

/**
 * player.state is one of: idle, starting, playing, paused, waiting (the stream broke, it is asked for again), offair,
 * unplayable (the browser lacks the codec), blocked (the browser wants a click first).
 */
export const player = {id: null, state: "idle", placeLost: false};

let opening = 0; // counts streams, so that late news of an older one is not taken for the present one's
let begin = null; // place on the timeline at which the stream begins; null: not known
let base = null; // the element's time at that place; null: nothing was heard yet
let place = null; // where the listener was when the stream ended
let tries = 0;
let retry = 0; // timer
let pausedAt = 0;
let movedAt = 0;
let moved = -1;
let answered = null; // status of the node's answer about the stream
const tunedHere = new Set(); // stations that this page asked the node to stay tuned to

function enter(next) {
  if (player.state === next) return;
  player.state = next;
  emit("player");
}

export const isOn = () => ["starting", "playing", "waiting", "offair"].includes(player.state);

/** position is the listener's place on the station's timeline in ms, or null when it is not known. */
export function position() {
  if (!["starting", "playing", "paused"].includes(player.state) || begin === null || base === null) return place;
  return begin + (audio.currentTime - base) * 1000;
}

/** behind is how far the listener is behind who tunes in now, in ms; 0 when live or not known. */
export function behind() {
  const line = timeline(player.id);
  const at = position();
  return line && at !== null && line.live - at > nearLive ? line.live - at : 0;
}

// The types that a codec comes in; what plays none of them plays the codec not.
const types = {
  mp3: ["audio/mpeg"], mp2: ["audio/mpeg"], aac: ["audio/aac", 'audio/mp4; codecs="mp4a.40.2"'],
  vorbis: ['audio/ogg; codecs="vorbis"'], opus: ['audio/ogg; codecs="opus"', 'audio/webm; codecs="opus"'],
  flac: ["audio/flac", 'audio/ogg; codecs="flac"'],
};

export const canPlay = (codec) => !types[codec] || types[codec].some((type) => audio.canPlayType(type) !== "");

/** play plays a station: from its live end, or where the listener left it in this page. */
export function play(id) {
  if (id === player.id && player.state === "paused") return resume();
  if (id !== player.id) leave();
  player.id = id;
  player.placeLost = false;
  place = null;
  tries = 0;
  keep("last", id);
  const s = station(id);
  if (s && !canPlay(s.codec)) return enter("unplayable");
  stayTuned(s, id);
  if (s) noteHeard(s);
  open(timeline(id)?.live ?? null);
  emit("heard");
}

function stayTuned(s, id) {
  tunedHere.add(id);
  api.tune(s?.link || id).then(() => api.loadTitles(id)).catch((e) => emit("problem", e.message));
}

/** leave lets go of what plays, without a word to the listener. */
function leave() {
  close();
  if (player.id !== null && tunedHere.delete(player.id)) api.untune(player.id).catch(() => {}); // it may be gone already
}

export function stop() {
  leave();
  place = null;
  enter("idle");
}

/** close ends the element's stream. */
function close() {
  opening++;
  clearTimeout(retry);
  begin = base = null;
  if (audio.hasAttribute("src")) {
    audio.removeAttribute("src");
    audio.load();
  }
}

/** open asks for the stream from a place; null is wherever the node begins. */
function open(from) {
  close();
  const stream = opening;
  const address = "/listen/" + player.id + (from === null ? "" : "?from=" + Math.round(from));
  begin = from;
  place = from;
  answered = null;
  moved = -1;
  movedAt = performance.now();
  enter("starting");
  audio.src = address;
  audio.play().catch((e) => {
    if (stream === opening && e.name === "NotAllowedError") enter("blocked");
  });
  // An audio element does not show what the node answered: where the stream really begins, or why it does not.
  fetch(address, {method: "HEAD"}).then((r) => {
    if (stream !== opening) return;
    answered = r.status;
    const header = r.headers.get("X-Position-Ms");
    if (r.ok && header !== null) begin = Number(header);
  }).catch(() => {});
}

export function pause() {
  if (player.state === "playing") audio.pause();
  else if (isOn()) {
    place = position();
    close();
    pausedAt = -Infinity;
    enter("paused");
  }
}

export function resume() {
  const line = timeline(player.id);
  const at = position();
  if (audio.hasAttribute("src") && !audio.error && performance.now() - pausedAt < pauseHeld) return void audio.play();
  if (station(player.id)) stayTuned(station(player.id), player.id);
  tries = 0;
  openAt(at, line);
}

/** openAt opens the stream at a place if the node still keeps it, and else at what comes nearest. */
function openAt(at, line) {
  player.placeLost = false;
  if (at === null || !line || at > line.live + 10000) return open(line?.live ?? null); // the timeline began anew
  if (at < line.from) {
    player.placeLost = true;
    setTimeout(() => { player.placeLost = false; }, 15000);
  }
  open(Math.min(Math.max(at, line.from), line.live));
}

/** seek goes to a place on the timeline, within what is kept. */
export function seek(at) {
  const line = timeline(player.id);
  if (!line || at === null) return;
  tries = 0;
  open(Math.min(Math.max(at, line.from), line.live));
}

export const back = (ms) => seek(position() === null ? null : position() - ms);
export const goLive = () => seek(timeline(player.id)?.live ?? null);

export function toggle() {
  if (player.state === "playing" || isOn()) pause();
  else if (player.id !== null) player.state === "paused" ? resume() : play(player.id);
}

/** broken is called when the stream ended or failed while somebody wants to hear it. */
function broken() {
  const never = base === null;
  const code = audio.error?.code;
  place = position();
  if (never && answered === 200 && (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED || code === MediaError.MEDIA_ERR_DECODE)) {
    close();
    return enter("unplayable");
  }
  close();
  enter(tuned(player.id)?.online === false ? "offair" : "waiting");
  retry = setTimeout(again, retryAfter[Math.min(tries++, retryAfter.length - 1)]);
}

function again() {
  if (state.gone) {
    retry = setTimeout(again, 2000);
    return;
  }
  if (!tuned(player.id)) stayTuned(station(player.id), player.id);
  openAt(place, timeline(player.id));
}

audio.addEventListener("playing", () => {
  if (base === null) base = audio.buffered.length ? audio.buffered.start(0) : audio.currentTime;
  tries = 0;
  enter("playing");
});
audio.addEventListener("pause", () => {
  if (!audio.hasAttribute("src") || audio.ended || !isOn()) return;
  pausedAt = performance.now();
  enter("paused");
});
audio.addEventListener("ended", () => isOn() && broken());
audio.addEventListener("error", () => {
  if (!audio.hasAttribute("src")) return;
  if (player.state === "paused") pausedAt = -Infinity; // its stream is gone; the place is not
  else if (isOn()) broken();
});

on("status", () => {
  if (player.state === "offair" && tuned(player.id)?.online) {
    clearTimeout(retry);
    again();
  }
  // The stream of a station that was tuned in just now: its timeline is known only now.
  if (begin === null && base !== null && player.state === "playing" && timeline(player.id)) {
    begin = timeline(player.id).live - (audio.currentTime - base) * 1000;
  }
});
on("restarted", () => {
  place = null;
  begin = null;
  tunedHere.clear();
  if (isOn()) broken();
});

// Sound that stands still for long is asked for again.
setInterval(() => {
  if (audio.currentTime !== moved || !["playing", "starting"].includes(player.state)) {
    moved = audio.currentTime;
    movedAt = performance.now();
  } else if (performance.now() - movedAt > silenceMax) {
    movedAt = performance.now();
    broken();
  }
}, 1000);

// Whoever closes the page has left.
addEventListener("pagehide", () => {
  if (player.id !== null && tunedHere.has(player.id)) api.untune(player.id).catch(() => {});
});

// Volume: what the listener chose, times what the sleep timer leaves of it.

let chosen = Math.min(Math.max(Number(kept("volume", 1)) || 0, 0), 1);
let fade = 1;

const applyVolume = () => { audio.volume = chosen * fade; };

export const volume = () => chosen;
export const muted = () => audio.muted;

export function setVolume(v) {
  chosen = v;
  audio.muted = false;
  keep("volume", v);
  applyVolume();
  emit("volume");
}

export function setMuted(is) {
  audio.muted = is;
  emit("volume");
}

export function setFade(f) {
  fade = f;
  applyVolume();
}

applyVolume();
player.id = kept("last", null);
