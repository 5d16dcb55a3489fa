// SPDX-License-Identifier: MIT

// Small plots of the last minutes of a station on this node: buffer, health, what was given.

import {byId, element, set, svg, text} from "./dom.js";
import {on, state} from "./state.js";
import {rate} from "./format.js";
import {t} from "./i18n.js";

const samplesMax = 300; // one a second
const samplesMin = 60; // that the width shows at least
const stationsMax = 8;

const histories = new Map(); // id -> {samples, last}

const delta = (now, before) => Math.max(0, now - before);

/** take notes what a look at the node shows. */
function take() {
  for (const s of state.status.tuned) {
    const h = histories.get(s.id) ?? {samples: [], last: null};
    histories.set(s.id, h);
    const now = {at: state.at, ...s.chunks, out: s.bytes.wire_out};
    const was = h.last;
    h.last = now;
    if (!was || now.received < was.received) continue; // tuned in anew
    const came = delta(now.received, was.received);
    const missed = delta(now.missing, was.missing);
    const seconds = Math.max(0.2, (now.at - was.at) / 1000);
    h.samples.push({buffer: s.buffer_ms / 1000, health: came + missed > 0 ? 100 * came / (came + missed) : s.online ? null : 0,
      given: delta(now.out, was.out) * 8 / seconds});
    if (h.samples.length > samplesMax) h.samples.shift();
  }
  const here = new Set(state.status.tuned.map((s) => s.id));
  for (const id of histories.keys()) if (!here.has(id) || histories.size > stationsMax) histories.delete(id);
}

const kinds = {
  buffer: {low: 0, high: (max) => Math.max(5, max), say: (v) => t("seconds", {n: v})},
  health: {low: (min) => Math.min(90, Math.floor(min / 10) * 10), high: () => 100, say: (v) => t("percent", {n: Math.floor(v * 10) / 10})},
  given: {low: 0, high: (max) => Math.max(1e5, max), say: rate},
};

const w = 240;
const h = 48;
const plots = new Map(); // kind -> elements

function plot(kind) {
  let p = plots.get(kind);
  if (p) return p;
  const area = svg("path", {class: "area"});
  const line = svg("path", {class: "line"});
  const picture = svg("svg", {viewBox: `0 0 ${w} ${h}`, preserveAspectRatio: "none", role: "img"}, area, line);
  const title = element("span", {class: "faint"});
  const value = element("strong");
  const figure = element("figure", {class: "plot " + kind}, element("figcaption", {}, title, value), picture);
  byId("plots").append(figure);
  plots.set(kind, p = {area, line, picture, title, value});
  return p;
}

/** drawPlots draws the plots of a station. */
export function drawPlots(id) {
  const samples = histories.get(id)?.samples ?? [];
  for (const [kind, {low, high, say}] of Object.entries(kinds)) {
    const p = plot(kind);
    const values = samples.map((s) => s[kind]).filter((v) => v !== null);
    const latest = values.at(-1);
    text(p.title, t("plot_" + kind));
    text(p.value, latest === undefined ? "…" : say(kind === "health" ? mean(values.slice(-10)) : latest));
    set(p.picture, "aria-label", t("plot_" + kind) + ": " + p.value.textContent);
    const bottom = typeof low === "function" ? low(Math.min(...values, 100)) : low;
    const top = high(Math.max(...values, 0));
    const shown = Math.max(samplesMin, values.length);
    const points = values.map((v, i) => (w * (shown - values.length + i + 1) / shown).toFixed(1) + " " +
      (h - 2 - (h - 5) * (v - bottom) / (top - bottom || 1)).toFixed(1));
    const d = points.length > 1 ? "M" + points.join("L") : "";
    set(p.line, "d", d);
    set(p.area, "d", d && d + "L" + w + " " + h + "L" + points[0].split(" ")[0] + " " + h + "Z");
  }
}

const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

export const startPlots = () => on("status", take);
