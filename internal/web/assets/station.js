// SPDX-License-Identifier: MIT

// The station that is shown: what it says of itself, its titles, its links. It need not be the one that plays.

import {byId, element, isStationLink, set, setIcon, show, text, toast, webAddress} from "./dom.js";
import {emit, on, state, tuned} from "./state.js";
import {isFavourite, setFavourite} from "./keep.js";
import {art} from "./art.js";
import {ago, clock, codecName, nameOf, rate} from "./format.js";
import {t} from "./i18n.js";
import {audience, station} from "./stations.js";
import {loadTitles} from "./api.js";
import {canPlay, isOn, pause, play, player, position} from "./player.js";
import {heardTitles} from "./titles.js";
import {showCode, shareLink} from "./share.js";

let shown = null; // id

export const shownStation = () => shown;

/** known is a station from the list, or, while the list lacks it, as this node is tuned to it. */
function known(id) {
  const s = station(id);
  if (s) return s;
  const c = tuned(id) ?? {};
  return {id, name: c.name ?? "", genre: "", description: "", url: "", codec: c.codec ?? "", bitrate_bps: c.bitrate_bps ?? 0,
    title: c.title ?? "", listeners: 0, audience_estimate: 0, online: c.online ?? false, last_alive_s: null, link: ""};
}

export function showStation(id) {
  if (id === shown) return;
  shown = id;
  byId("station-art").replaceChildren(art(id));
  if (tuned(id) && !state.titles.has(id)) loadTitles(id);
  byId("title-list").replaceChildren();
  draw();
  emit("shown");
}

const hereState = (s) => s.id !== player.id || player.state === "idle" ? t(s.online ? "on_air" : "off_air") : t("state_" + player.state);

function facts(s) {
  return [
    s.genre.slice(0, 80), [codecName(s.codec), s.bitrate_bps ? rate(s.bitrate_bps) : ""].filter(Boolean).join(" "),
    s.online ? t("listeners", {n: audience(s)}) : s.last_alive_s === null ? "" : t("last_heard", {ago: ago(s.last_alive_s)}),
  ].filter(Boolean).join(" · ");
}

export function draw() {
  show(byId("nothing"), shown === null);
  show(byId("shown"), shown !== null);
  if (shown === null) return;
  const s = known(shown);
  const playing = shown === player.id && isOn();
  text(byId("station-name").firstElementChild, nameOf(s));
  text(byId("station-state"), hereState(s));
  byId("station-state").classList.toggle("on", s.online);
  text(byId("station-facts"), facts(s));
  text(byId("station-description").firstElementChild, s.description);
  show(byId("station-description"), s.description !== "");
  const play = byId("station-play");
  show(play, canPlay(s.codec));
  setIcon(play, playing ? "pause" : "play");
  text(play.querySelector("span"), t(playing ? "pause" : "play"));
  set(byId("station-favourite"), "aria-pressed", String(isFavourite(shown)));
  drawLinks(s);
  drawTitles();
  drawUnplayable(s);
}

function drawLinks(s) {
  const page = webAddress(s.url);
  const a = byId("station-url").firstElementChild;
  show(byId("station-url"), page !== null);
  set(a, "href", page);
  text(a.firstElementChild, page === null ? "" : page.replace(/^https?:\/\/(www\.)?/, "").replace(/\/$/, "").slice(0, 80));
  for (const link of byId("elsewhere").querySelectorAll("[data-suffix]")) set(link, "href", "/listen/" + s.id + link.dataset.suffix);
  const own = isStationLink(s.link) ? s.link : null;
  set(byId("station-link"), "href", own);
  show(byId("station-link"), own !== null);
}

function drawUnplayable(s) {
  const lacks = !canPlay(s.codec) || (player.id === s.id && player.state === "unplayable");
  show(byId("unplayable"), lacks);
  const key = s.codec + document.documentElement.lang + s.id;
  if (!lacks || byId("unplayable").dataset.key === key) return;
  byId("unplayable").dataset.key = key;
  byId("unplayable").replaceChildren(t("unplayable", {codec: codecName(s.codec) || "?"}) + " ",
    element("a", {href: "/listen/" + s.id + ".pls"}, t("open_player")));
}

const titlesFew = 4;

let listed = "";
let allTitles = false; // the listener wants to see all

function drawTitles() {
  const found = heardTitles(shown);
  const titles = found.slice(0, allTitles ? 50 : titlesFew);
  show(byId("titles-more"), found.length > titlesFew);
  set(byId("titles-more"), "aria-expanded", String(allTitles));
  text(byId("titles-more"), allTitles ? t("titles_fewer") : t("titles_more", {n: found.length - titlesFew}));
  const at = shown === player.id ? position() : null;
  show(byId("titles-none"), titles.length === 0);
  const signature = JSON.stringify([shown, titles.map((x) => [x.at_ms, x.text]), document.documentElement.lang]);
  if (signature !== listed) {
    listed = signature;
    byId("title-list").replaceChildren(...titles.map(titleItem));
  }
  titles.forEach((x, i) => {
    const when = byId("title-list").children[i].lastElementChild;
    text(when, i === 0 && shown === player.id && isOn() ? t("now") : at === null ? ago(x.heard_s ?? 0) : t("before", {time: clock(at - x.at_ms)}));
  });
}

function titleItem(x) {
  const words = x.title ? [element("bdi", {class: "song"}, x.title), element("bdi", {class: "faint"}, x.artist ?? "")]
    : [element("bdi", {class: "song"}, x.text)];
  return element("li", {}, element("span", {class: "lines"}, ...words), element("span", {class: "when faint"}));
}

export function startStation() {
  byId("station-play").addEventListener("click", () => shown === player.id && isOn() ? pause() : play(shown));
  byId("station-favourite").addEventListener("click", () => {
    setFavourite(known(shown), !isFavourite(shown));
    emit("favourites");
    draw();
  });
  byId("titles-more").addEventListener("click", () => {
    allTitles = !allTitles;
    draw();
  });
  byId("station-share").addEventListener("click", () => shareLink(known(shown)));
  byId("station-qr").addEventListener("click", () => showCode(known(shown)));
  for (const event of ["player", "status", "stations", "titles", "favourites", "language"]) on(event, draw);
  on("problem", toast);
}
