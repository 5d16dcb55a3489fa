// SPDX-License-Identifier: MIT

// The node's HTTP interface: requests with the page's token, and the stream of events.

import {emit, state} from "./state.js";
import {change, replace} from "./stations.js";
import {t} from "./i18n.js";

const meta = () => document.querySelector('meta[name="streamer-token"]');
let token = meta().content;

/** A Refusal is the node's answer that something cannot be done; its message says why. */
export class Refusal extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

/** ask asks the node for something and returns its answer, or throws a Refusal. */
export async function ask(method, path, body, options = {}) {
  const used = token;
  const response = await once(method, path, body, options);
  if (response.status !== 403 || !(await renewToken(used))) return read(response);
  return read(await once(method, path, body, options));
}

function once(method, path, body, options) {
  const headers = method === "GET" ? {} : {"X-Streamer-Token": token};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return fetch(path, {...options, method, headers, body: body === undefined ? undefined : JSON.stringify(body)})
    .catch(() => { throw new Refusal(0, t("no_answer")); });
}

async function read(response) {
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Refusal(response.status, answer?.error ?? t("no_answer"));
  return answer;
}

/** renewToken looks for a new token, which a node has after each start, and reports whether it is not the one that was used. */
async function renewToken(used) {
  const page = await fetch("/").then((r) => r.text()).catch(() => "");
  const fresh = new DOMParser().parseFromString(page, "text/html").querySelector('meta[name="streamer-token"]')?.content;
  if (fresh) token = fresh;
  return token !== used;
}

export const tune = (station) => ask("POST", "/api/v1/tune", {station});
export const untune = (id) => ask("DELETE", "/api/v1/tune/" + id, undefined, {keepalive: true});
export const measure = () => ask("POST", "/api/v1/measure");

export async function changeSettings(change) {
  state.settings = await ask("PATCH", "/api/v1/settings", change);
  emit("settings");
}

export async function loadSettings() {
  state.settings = await ask("GET", "/api/v1/settings").catch(() => null);
  emit("settings");
}

export async function loadTitles(id) {
  const titles = await ask("GET", "/api/v1/stations/" + id + "/titles").catch(() => null);
  if (titles) takeTitles(id, titles);
}

function takeTitles(id, titles) {
  if (!Array.isArray(titles)) return;
  state.titles.set(id, titles);
  emit("titles", id);
}

const takes = {
  status(status) {
    const restarted = state.status && state.status.node_id !== status.node_id;
    state.status = status;
    state.at = performance.now();
    setGone(false);
    if (restarted) {
      state.titles.clear();
      renewToken();
      emit("restarted");
    }
    emit("status");
  },
  stations: replace,
  stations_changed: change,
  settings(settings) {
    state.settings = settings;
    emit("settings");
  },
  titles: ({id, titles}) => takeTitles(id, titles),
};

const silenceMax = 12000; // ms without a word of a node that looks every second; its keepalives come every 15 s

let source = null;
let heardAt = 0;

/** startEvents opens the event stream, and opens it again whenever it has ended. */
export function startEvents() {
  source?.close();
  source = new EventSource("/api/v1/events");
  heardAt = performance.now();
  for (const [name, take] of Object.entries(takes)) {
    source.addEventListener(name, (e) => {
      heardAt = performance.now();
      take(JSON.parse(e.data));
    });
  }
  source.addEventListener("open", loadSettings);
  source.addEventListener("error", () => setGone(true));
}

/** watch is called every few seconds: browsers give an event stream up for good after some errors. */
export function watch() {
  const silent = performance.now() - heardAt > silenceMax;
  if (source.readyState === EventSource.CLOSED || silent) {
    if (silent) setGone(true);
    startEvents();
  }
}

function setGone(gone) {
  if (state.gone === gone) return;
  state.gone = gone;
  emit("gone");
}
