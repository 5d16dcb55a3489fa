// SPDX-License-Identifier: MIT

// The station list: a grid of which only the rows in sight exist, however many stations there are. Changes are drawn once a
// frame; the order changes at most once in a while, and not under the listener's hand.

import {byId, element, icon, perFrame, set, show, text} from "./dom.js";
import {on} from "./state.js";
import {heardAt, isFavourite, setFavourite} from "./keep.js";
import {art} from "./art.js";
import {ago, codecName, nameOf, number} from "./format.js";
import {t} from "./i18n.js";
import {audience, count, station, view} from "./stations.js";
import {isOn, play, player} from "./player.js";
import {nowTitle} from "./titles.js";

const grid = byId("list");
const body = byId("rows");
const orderEvery = 2000; // ms between two rankings by themselves
const handRest = 1500; // ms after the listener's last move in the list before it may change its order
const spareRows = 6; // above and below what is in sight

/** filter is what the listener asks for; page.js and filters.js write it. */
export const filter = {shelf: "all", words: "", genre: "", codec: ""};

let entries = []; // ids in order; null is the line above those off the air
const rows = new Map(); // id ("" the line) -> row
let orderedAt = 0;
let orderTimer = 0;
let handAt = -Infinity;
let current = ""; // id of the row that the Tab key reaches
let selected = "";
let select = () => {};

export const onSelect = (call) => { select = call; };

export function markSelected(id) {
  selected = id;
  draw();
}

/** order ranks anew, now. */
export function order() {
  clearTimeout(orderTimer);
  orderTimer = 0;
  orderedAt = performance.now();
  const ids = view(filter);
  const offline = filter.shelf === "heard" ? -1 : ids.findIndex((id) => !station(id)?.online);
  entries = offline < 0 ? ids : [...ids.slice(0, offline), null, ...ids.slice(offline)];
  set(grid, "aria-rowcount", entries.length);
  text(byId("count"), filter.words || filter.genre || filter.codec || filter.shelf !== "all"
    ? t("count_found", {n: ids.length}) : t("count_all", {n: count(), air: offline < 0 ? ids.length : offline}));
  showEmpty(ids.length === 0);
  body.style.height = entries.length * rowHeight() + "px";
  draw();
}

function showEmpty(is) {
  show(byId("empty"), is);
  show(grid, !is);
  if (!is) return;
  const filtered = filter.words || filter.genre || filter.codec;
  text(byId("empty"), t(filtered ? "empty_found" : "empty_" + filter.shelf));
}

/** orderSoon ranks anew when there was time to look at the present order. */
function orderSoon() {
  drawSoon();
  if (orderTimer) return;
  const wait = () => Math.max(orderedAt + orderEvery, handAt + handRest) - performance.now();
  const look = () => wait() > 0 ? orderTimer = setTimeout(look, wait()) : order();
  if (entries.length === 0) order();
  else orderTimer = setTimeout(look, Math.max(0, wait()));
}

const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
const rowHeight = () => 4 * rem();

/** inSight is the range of entries to have rows for. The list, or the whole page, is what scrolls. */
function inSight(height) {
  const space = body.getBoundingClientRect();
  const port = grid.getBoundingClientRect();
  const top = Math.max(0, port.top) - space.top;
  const bottom = Math.min(innerHeight, port.bottom) - space.top;
  return [Math.max(0, Math.floor(top / height) - spareRows), Math.min(entries.length, Math.ceil(bottom / height) + spareRows)];
}

function draw() {
  const height = rowHeight();
  const [from, to] = inSight(height);
  const wanted = new Set(entries.slice(from, to).map((id) => id ?? ""));
  for (const [id, row] of rows) {
    if (wanted.has(id) || (row.node.contains(document.activeElement) && entries.includes(id || null))) continue;
    row.node.remove();
    rows.delete(id);
  }
  if (!entries.includes(current)) current = entries.find((id) => id !== null) ?? "";
  let next = body.firstChild; // rows stand in the document as they are seen, for those who hear them
  for (let i = from; i < to; i++) {
    const row = rowOf(entries[i]);
    place(row, i, height);
    next = putBefore(row.node, next);
  }
  for (const [id, row] of rows) {
    if (!wanted.has(id)) place(row, entries.indexOf(id || null), height);
    if (id) fill(row, id);
  }
}

/** putBefore puts a row before next and returns what follows it. A row with the focus stays: moved, it would lose it. */
function putBefore(node, next) {
  if (node !== next && node.contains(document.activeElement) && node.parentNode === body) {
    while (next && next !== node) {
      const after = next.nextSibling;
      body.append(next);
      next = after;
    }
  }
  if (node === next) return next.nextSibling;
  body.insertBefore(node, next);
  return next;
}

const drawSoon = perFrame(draw);

function place(row, i, height) {
  if (row.index === i && row.height === height) return;
  row.index = i;
  row.height = height;
  row.node.style.transform = "translateY(" + i * height + "px)";
  set(row.node, "aria-rowindex", i + 1);
}

function rowOf(id) {
  let row = rows.get(id ?? "");
  if (!row) rows.set(id ?? "", row = id === null ? lineRow() : stationRow(id));
  return row;
}

function lineRow() {
  const cell = element("div", {role: "gridcell", "aria-colspan": 2, class: "cell"}, t("off_air"));
  return {node: element("div", {role: "row", class: "line-row"}, cell), index: -1};
}

function stationRow(id) {
  const name = element("bdi");
  const under = element("bdi");
  const people = element("span");
  const state = element("span", {class: "unseen"});
  const bars = element("span", {class: "bars", "aria-hidden": "true"}, element("i"), element("i"), element("i"));
  const picture = element("span", {class: "art", "data-play": ""}, art(id), icon("play"), bars);
  const star = element("button", {type: "button", class: "tool star", tabindex: -1}, icon("star"));
  const cell = element("div", {role: "gridcell", class: "cell station-cell", tabindex: -1}, picture,
    element("span", {class: "lines"}, element("span", {class: "name"}, name), element("span", {class: "under"}, under)),
    element("span", {class: "people"}, icon("people"), people), state);
  const node = element("div", {role: "row", class: "row-station", "data-id": id}, cell,
    element("div", {role: "gridcell", class: "cell"}, star));
  return {node, cell, star, name, under, people, state, index: -1, shown: null};
}

/** fill shows a station in its row, if anything about it changed. */
function fill(row, id) {
  const s = station(id);
  if (!s) return;
  const playing = id === player.id && isOn();
  const favourite = isFavourite(id);
  const title = playing ? nowTitle(id).text : s.title; // the one that is heard
  const look = [title, playing, favourite, id === selected, id === current, filter.shelf].join() + document.documentElement.lang;
  if (row.shown === s && row.look === look) return;
  row.shown = s;
  row.look = look;
  const people = s.online ? t("listeners", {n: audience(s)}) : "";
  text(row.name, nameOf(s));
  text(row.under, underLine(s, title));
  text(row.people, s.online ? number(audience(s)) : "");
  set(row.people.parentNode, "title", people);
  row.people.parentNode.hidden = !s.online;
  text(row.state, [people, playing ? t("playing") : "", s.online ? "" : t("off_air")].filter(Boolean).join(", "));
  row.node.classList.toggle("playing", playing);
  row.node.classList.toggle("offline", !s.online);
  set(row.node, "aria-selected", id === selected ? "true" : "false");
  set(row.cell, "tabindex", id === current ? 0 : -1);
  set(row.star, "aria-pressed", String(favourite));
  set(row.star, "aria-label", t("favourite_of", {name: nameOf(s)}));
}

function underLine(s, title) {
  if (filter.shelf === "heard") return t("you_heard", {ago: ago((Date.now() - heardAt(s.id)) / 1000)});
  if (s.online) return title || s.description || s.genre || codecName(s.codec);
  return s.last_alive_s === null ? t("never_heard") : t("last_heard", {ago: ago(s.last_alive_s)});
}

// The listener's hand.

const idAt = (target) => target.closest?.("[data-id]")?.dataset.id ?? null;

function focusRow(index, column = 0) {
  let i = Math.min(Math.max(index, 0), entries.length - 1);
  if (entries[i] === null) i = Math.min(entries.length - 1, i + (index >= (rows.get(current)?.index ?? 0) ? 1 : -1));
  const id = entries[i];
  if (!id) return;
  current = id;
  const height = rowHeight();
  const row = rowOf(id);
  place(row, i, height);
  if (!row.node.parentNode) body.append(row.node);
  fill(row, id);
  (column === 0 ? row.cell : row.star).focus({preventScroll: true});
  row.node.scrollIntoView({block: "nearest"});
  draw();
}

grid.addEventListener("keydown", (e) => {
  const id = idAt(e.target);
  if (!id || e.ctrlKey || e.metaKey || e.altKey) return;
  const at = entries.indexOf(id);
  const onStar = e.target.closest("button") !== null;
  const page = Math.max(1, Math.floor(Math.min(grid.clientHeight, innerHeight) / rowHeight()) - 1);
  const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1, PageDown: at + page, PageUp: at - page}[e.key];
  handAt = performance.now();
  if (to !== undefined) focusRow(to, onStar ? 1 : 0);
  else if (e.key === "ArrowRight") focusRow(at, 1);
  else if (e.key === "ArrowLeft") focusRow(at, 0);
  else if ((e.key === "Enter" || e.key === " ") && !onStar) {
    select(id);
    if (e.key === "Enter") play(id);
  } else return;
  e.preventDefault();
});

let touched = false; // the last press was no mouse's

grid.addEventListener("pointerdown", (e) => {
  touched = e.pointerType !== "mouse";
  handAt = performance.now();
});
grid.addEventListener("pointermove", () => { handAt = performance.now(); });
grid.addEventListener("click", (e) => {
  const id = idAt(e.target);
  if (!id) return;
  current = id;
  if (e.target.closest(".star")) {
    setFavourite(station(id), !isFavourite(id));
    drawSoon();
    if (filter.shelf === "favourites") orderSoon();
    return;
  }
  select(id);
  if (touched || e.target.closest("[data-play]")) play(id);
  drawSoon();
});
grid.addEventListener("dblclick", (e) => {
  const id = idAt(e.target);
  if (id && !touched && !e.target.closest(".star, [data-play]") && !(id === player.id && isOn())) play(id);
});
addEventListener("scroll", drawSoon, {capture: true, passive: true});
new ResizeObserver(() => {
  body.style.height = entries.length * rowHeight() + "px";
  drawSoon();
}).observe(byId("stations"));

on("stations", orderSoon);
on("player", drawSoon);
on("title", drawSoon);
on("favourites", () => filter.shelf === "favourites" ? orderSoon() : drawSoon());
on("heard", () => filter.shelf === "heard" && order());
on("language", () => {
  rows.forEach((row) => row.node.remove());
  rows.clear();
  order();
});
