// SPDX-License-Identifier: MIT

// A picture for each station, drawn from its id: rings like a record's, in the station's two colours. No picture travels in
// the stream, and none is loaded.

import {svg} from "./dom.js";

/** bits turns an id into numbers that look random (xorshift over an FNV hash). */
function bits(id) {
  let h = 2166136261;
  for (let i = 0; i < id.length; i++) h = Math.imul(h ^ id.charCodeAt(i), 16777619);
  return (n) => {
    h ^= h << 13;
    h ^= h >>> 17;
    h ^= h << 5;
    return (h >>> 0) % n;
  };
}

export const hue = (id) => bits(id)(360);

function parts(id) {
  const next = bits(id);
  const first = next(360);
  const second = (first + 40 + next(140)) % 360;
  const rings = [9, 16, 23, 30].map((r) => ({
    r, turn: next(360), share: 25 + next(65), light: 62 + next(24), hue: next(3) === 0 ? second : first, width: 2 + next(4),
  }));
  return {first, second, rings, dot: 2 + next(4)};
}

/** art returns the picture, as an SVG element without meaning of its own. */
export function art(id) {
  const {first, second, rings, dot} = parts(id);
  const picture = svg("svg", {viewBox: "0 0 64 64", "aria-hidden": "true", focusable: "false"},
    svg("rect", {width: 64, height: 64, fill: `hsl(${first} 38% 24%)`}),
    svg("circle", {cx: 32, cy: 32, r: 44, fill: "none", stroke: `hsl(${second} 40% 32%)`, "stroke-width": 20}));
  for (const ring of rings) {
    picture.append(svg("circle", {
      cx: 32, cy: 32, r: ring.r, fill: "none", stroke: `hsl(${ring.hue} 62% ${ring.light}%)`, "stroke-width": ring.width,
      "stroke-linecap": "round", pathLength: 100, "stroke-dasharray": `${ring.share} ${100 - ring.share}`,
      transform: `rotate(${ring.turn} 32 32)`,
    }));
  }
  picture.append(svg("circle", {cx: 32, cy: 32, r: dot, fill: `hsl(${second} 70% 78%)`}));
  return picture;
}

/** artwork returns the picture as a PNG address, for the lock screen. */
export function artwork(id, size = 256) {
  const {first, second, rings, dot} = parts(id);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const c = canvas.getContext("2d");
  if (!c) return null;
  c.scale(size / 64, size / 64);
  c.fillStyle = `hsl(${first} 38% 24%)`;
  c.fillRect(0, 0, 64, 64);
  const circle = (r, width, colour, from, share) => {
    c.beginPath();
    c.arc(32, 32, r, from, from + share * 2 * Math.PI);
    c.lineWidth = width;
    c.strokeStyle = colour;
    c.stroke();
  };
  circle(44, 20, `hsl(${second} 40% 32%)`, 0, 1);
  c.lineCap = "round";
  for (const ring of rings) circle(ring.r, ring.width, `hsl(${ring.hue} 62% ${ring.light}%)`, ring.turn * Math.PI / 180, ring.share / 100);
  c.beginPath();
  c.arc(32, 32, dot, 0, 2 * Math.PI);
  c.fillStyle = `hsl(${second} 70% 78%)`;
  c.fill();
  return canvas.toDataURL("image/png");
}
