// SPDX-License-Identifier: MIT

// Numbers, sizes and times as the chosen language writes them.

import {current, t} from "./i18n.js";

export const number = (n) => new Intl.NumberFormat(current()).format(n);
export const rate = (bps) => bps >= 1e6 ? t("mbps", {n: bps / 1e6}) : t("kbps", {n: Math.round(bps / 1e3)});

export function bytes(n) {
  const unit = n >= 1e9 ? ["GB", 1e9] : n >= 1e6 ? ["MB", 1e6] : ["kB", 1e3];
  const value = n / unit[1];
  return new Intl.NumberFormat(current(), {maximumFractionDigits: value < 10 && unit[0] !== "kB" ? 1 : 0}).format(value) + "\u00a0" + unit[0];
}

/** clock is a length in ms as 1:05 or 1:02:05. */
export function clock(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  const pad = (n) => String(n).padStart(2, "0");
  return s < 3600 ? Math.floor(s / 60) + ":" + pad(s % 60) : Math.floor(s / 3600) + ":" + pad(Math.floor(s / 60) % 60) + ":" + pad(s % 60);
}

const units = [[86400, "day"], [3600, "hour"], [60, "minute"]];

/** ago says how long since, in whole minutes at least. */
export function ago(seconds) {
  const [size, unit] = units.find(([size]) => seconds >= size) ?? [60, "minute"];
  return new Intl.RelativeTimeFormat(current(), {numeric: "auto"}).format(-Math.floor(seconds / size), unit);
}

/** span is a length of time in the two largest units. */
export function span(seconds) {
  const parts = units.map(([size, unit]) => {
    const n = Math.floor(seconds / size);
    seconds -= n * size;
    return n ? new Intl.NumberFormat(current(), {style: "unit", unit, unitDisplay: "short"}).format(n) : "";
  }).filter(Boolean);
  return parts.slice(0, 2).join(" ") || t("seconds", {n: Math.floor(seconds)});
}

export const timeOfDay = (at) => new Intl.DateTimeFormat(current(), {hour: "2-digit", minute: "2-digit"}).format(at);

const codecNames = {mp3: "MP3", mp2: "MP2", aac: "AAC", vorbis: "Vorbis", opus: "Opus", flac: "FLAC"};
export const codecName = (codec) => codecNames[codec] ?? codec;

export const nameOf = (s) => s.name.trim() || t("unnamed", {id: s.id.slice(0, 6)});
