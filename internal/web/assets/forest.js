// SPDX-License-Identifier: MIT

// A picture of the station's relays around this node: the studio above, who feeds you, you, whom you feed. Each edge is as
// wide as the part of the stream that it carries, in sixteenths.

import {byId, element, show, svg, text} from "./dom.js";
import {on, state, tuned} from "./state.js";
import {bytes} from "./format.js";
import {t} from "./i18n.js";
import {shownStation} from "./station.js";
import {drawPlots} from "./plots.js";

const sixteenths = 16;
const sideMin = 74; // px that a node and its words need
const besideMin = 170; // px from which the words go beside a node
const rowHeight = 92;
const dotsMax = 6; // nodes between, drawn at most

let drawn = "";
let width = 0;

const name = (p) => p.node_id.slice(0, 6);

/** words explains the picture in one line. */
function words(s) {
  const fed = t("feed_you", {n: s.parents.length});
  const feeds = s.children.length === 0 ? t("you_feed_none") : t("you_feed", {n: s.children.length});
  const given = state.status.given?.today_bytes ?? s.bytes.wire_out;
  const end = s.children.length > 0 || given > 1e5 ? " " + t("given_line", {bytes: bytes(given)}) : "";
  if (s.role === "source") return t("you_source") + " " + feeds + end;
  if (s.full) return t("full", {n: s.full.peers, s: Math.ceil(s.full.try_in_ms / 1000)}) + (s.parents.length === 0 ? "" : " " + fed);
  const way = s.hops === null ? "" : t("way", {n: s.hops}) + " ";
  if (s.parents.length === 0) return s.online && way !== "" ? way : t("nobody_feeds");
  return way + fed + " " + feeds + end;
}

/** draw shows the station that is shown, if this node carries it. */
export function draw() {
  const s = tuned(shownStation());
  show(byId("forest-picture"), s !== null);
  show(byId("forest-table"), s !== null);
  show(byId("plots"), s !== null);
  text(byId("forest-words"), s === null ? t("forest_not") : words(s));
  if (s === null) return;
  drawPlots(s.id);
  const signature = JSON.stringify([s.id, s.role, s.hops, width, document.documentElement.lang,
    s.parents.map((p) => [p.node_id, p.classes.length, p.hops, p.lan]), s.children.map((c) => [c.node_id, c.classes.length, c.lan, c.leaf])]);
  if (signature !== drawn) {
    drawn = signature;
    byId("forest-picture").replaceChildren(picture(s));
  }
  drawTable(s);
}

/** spread puts n nodes side by side. */
const spread = (n, i, w) => w * (i + 0.5) / n;

function picture(s) {
  const w = Math.max(260, width);
  const perRow = Math.max(2, Math.floor(w / sideMin));
  const far = s.parents.filter((p) => p.hops !== 0);
  const direct = s.parents.filter((p) => p.hops === 0);
  const parents = far.slice(0, perRow);
  const children = s.children.slice(0, s.children.length > perRow ? perRow - 1 : perRow);
  const source = s.role === "source";
  const studioY = 34;
  const parentY = parents.length > 0 ? studioY + rowHeight : studioY;
  const youY = source ? studioY : parentY + rowHeight;
  const childY = youY + rowHeight;
  const h = s.children.length > 0 ? childY + 52 : youY + 24;
  const all = svg("svg", {viewBox: `0 0 ${w} ${h}`, width: w, height: h, role: "img", "aria-label": words(s), class: "forest"});
  const edges = svg("g", {class: "edges"});
  const nodes = svg("g", {class: "nodes"});
  all.append(edges, nodes);
  const centre = w / 2;
  parents.forEach((p, i) => {
    const x = spread(parents.length, i, w);
    link(edges, centre, studioY, x, parentY, null, (p.hops ?? 2) - 1);
    link(edges, x, parentY, centre, youY, p.classes.length);
    node(nodes, x, parentY, "parent", name(p), share(p), w / parents.length > besideMin);
  });
  if (!source) {
    const straight = direct.reduce((sum, p) => sum + p.classes.length, 0);
    if (direct.length > 0) link(edges, centre, studioY, centre, youY, straight);
    node(nodes, centre, studioY, "studio", t("studio"), direct.length > 0 ? t("sixteenths", {n: straight}) : "", true);
  }
  children.forEach((c, i) => {
    const more = s.children.length > children.length ? 1 : 0;
    const x = spread(children.length + more, i, w);
    link(edges, centre, youY, x, childY, c.classes.length);
    node(nodes, x, childY, c.leaf ? "child leaf" : "child", name(c), share(c));
  });
  if (s.children.length > children.length) {
    nodes.append(svg("text", {x: spread(children.length + 1, children.length, w), y: childY + 5, class: "more"},
      t("and_more", {n: s.children.length - children.length})));
  }
  node(nodes, centre, youY, "you", source ? t("you_studio") : t("you_node"), "", true);
  return all;
}

const share = (p) => t("sixteenths", {n: p.classes.length}) + (p.lan ? " · " + t("lan") : "");

function node(into, x, y, kind, label, under, beside = false) {
  const r = kind === "you" ? 15 : kind === "studio" ? 13 : 9;
  const g = svg("g", {class: "node " + kind});
  g.append(svg("circle", {cx: x, cy: y, r}));
  if (kind === "studio") g.append(svg("path", {d: `M${x - 4} ${y - 4}a5.6 5.6 0 0 0 0 8m8-8a5.6 5.6 0 0 1 0 8`, class: "waves"}));
  const at = beside ? {x: x + r + 9, y: y + (under ? -2 : 5), class: "beside"} : {x, y: y + r + 15};
  g.append(svg("text", at, label));
  if (under) g.append(svg("text", beside ? {x: at.x, y: y + 14, class: "beside under"} : {x, y: y + r + 29, class: "under"}, under));
  into.append(g);
}

/** link draws an edge. parts: of the stream, or null where it is not known what flows; between: nodes on the way. */
function link(into, x1, y1, x2, y2, parts, between = 0) {
  const middle = (y1 + y2) / 2;
  const d = `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`;
  const wide = parts === null ? 1.5 : 2 + 9 * parts / sixteenths;
  into.append(svg("path", {d, class: parts === null ? "edge far" : "edge", "stroke-width": wide}));
  if (parts > 0) into.append(svg("path", {d, class: "flow", "stroke-width": Math.max(2, wide * 0.5)}));
  for (let i = 1; i <= Math.min(between, dotsMax); i++) {
    const f = i / (Math.min(between, dotsMax) + 1);
    const a = (1 - f) ** 3 + 3 * (1 - f) ** 2 * f; // of a Bézier curve whose handles are level with its ends
    into.append(svg("circle", {cx: a * x1 + (1 - a) * x2, cy: y1 * (1 - f) ** 3 + 3 * middle * (f * (1 - f) ** 2 + f * f * (1 - f)) + y2 * f ** 3,
      r: 4, class: "between"}));
  }
}

function drawTable(s) {
  if (!byId("forest-table").open) return;
  const rows = [["feeds_you", s.parents], ["fed_by_you", s.children]].flatMap(([way, peers]) => peers.map((p) => [
    t(way), name(p), t("sixteenths", {n: p.classes.length}), t("ms", {n: p.rtt_ms}) + (p.lan ? " (" + t("lan") + ")" : ""),
    p.hops === undefined || p.hops === null ? "" : String(p.hops),
  ]));
  byId("forest-table").querySelector("tbody").replaceChildren(
    ...rows.map((cells) => element("tr", {}, ...cells.map((c) => element("td", {}, c)))));
}

export function startForest() {
  for (const event of ["status", "shown", "language"]) on(event, draw);
  byId("forest-table").addEventListener("toggle", draw);
  new ResizeObserver(([entry]) => {
    width = Math.floor(entry.contentRect.width);
    draw();
  }).observe(byId("forest"));
}
