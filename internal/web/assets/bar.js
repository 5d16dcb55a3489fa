// SPDX-License-Identifier: MIT

// The bar at the bottom: what plays, and everything to do about it.

import {byId, element, set, setIcon, show, text, toast} from "./dom.js";
import {on, state, timeline} from "./state.js";
import {art} from "./art.js";
import {clock, nameOf} from "./format.js";
import {t} from "./i18n.js";
import {station} from "./stations.js";
import {back, behind, goLive, isOn, muted, player, position, seek, setMuted, setVolume, stop, toggle, volume} from "./player.js";
import {nowTitle} from "./titles.js";
import {sleepIn, sleepLeft} from "./sleep.js";

const sleepChoices = [0, 5, 15, 30, 45, 60, 90]; // minutes
const seekSteps = 1000;

let seeking = false; // the listener holds the slider
let drawn = "";

export function draw() {
  const s = player.id === null ? null : station(player.id);
  show(byId("bar"), s !== null);
  document.body.classList.toggle("has-bar", s !== null);
  if (!s) return;
  if (drawn !== player.id) {
    drawn = player.id;
    byId("bar-art").replaceChildren(art(player.id));
    set(byId("now"), "href", "#/station/" + player.id);
  }
  text(byId("bar-station").firstElementChild, nameOf(s));
  text(byId("bar-title").firstElementChild, nowTitle(player.id).text || nameOf(s));
  const on = isOn();
  const name = !on ? "play" : player.state === "playing" ? "pause" : "wait";
  setIcon(byId("play"), name);
  byId("play").classList.toggle("turning", name === "wait");
  set(byId("play"), "aria-label", t(on ? "pause" : "play"));
  set(byId("play"), "title", t(on ? "pause" : "play"));
  byId("bar").dataset.state = player.state;
  text(byId("state"), stateWords());
  drawPlace();
}

/** stateWords is silent while all is as it should be. */
function stateWords() {
  if (["waiting", "offair", "unplayable", "blocked"].includes(player.state)) return t("say_" + player.state);
  if (player.placeLost && isOn()) return t("place_lost");
  return "";
}

function drawPlace() {
  const line = timeline(player.id);
  const at = position();
  const usable = line !== null && at !== null && line.live - line.from > 1000 && player.state !== "idle";
  const late = usable ? behind() : 0;
  byId("seek").disabled = byId("back").disabled = !usable;
  byId("live").disabled = !usable || late === 0;
  byId("bar").classList.toggle("late", late > 0);
  byId("live").classList.toggle("is", player.state === "playing" && late === 0);
  text(byId("live").firstElementChild, late > 0 ? "\u2212" + clock(late) : t("live"));
  set(byId("live"), "aria-label", late > 0 ? t("go_live", {time: clock(late)}) : t("live_now"));
  set(byId("live"), "title", late > 0 ? t("go_live", {time: clock(late)}) : null);
  if (!usable || seeking) return;
  const share = Math.min(1, Math.max(0, (at - line.from) / (line.live - line.from)));
  setSlider(byId("seek"), late > 0 ? share : 1, seekSteps);
  if (document.activeElement === byId("seek") && player.state === "paused") return; // or every second would be said
  set(byId("seek"), "aria-valuetext", late > 0 ? t("behind", {time: clock(late)}) : t("live_now"));
}

function setSlider(slider, share, steps) {
  const value = String(Math.round(share * steps));
  if (slider.value !== value) slider.value = value;
  slider.style.setProperty("--share", share);
}

function drawVolume() {
  setSlider(byId("volume"), muted() ? 0 : volume(), 100);
  set(byId("volume"), "aria-valuetext", t("percent", {n: Math.round(volume() * 100)}));
  set(byId("mute"), "aria-pressed", String(muted()));
  setIcon(byId("mute"), muted() || volume() === 0 ? "muted" : "volume");
}

function drawSleep() {
  const left = sleepLeft();
  byId("sleep").options[0].textContent = left ? t("sleep_left", {n: Math.ceil(left / 60000)}) : t("sleep_off");
  byId("sleep").parentNode.classList.toggle("set", left > 0);
}

function fillSleep() {
  byId("sleep").replaceChildren(element("option", {value: "now"}),
    ...sleepChoices.slice(1).map((n) => element("option", {value: n}, t("sleep_in", {n}))), element("option", {value: 0}, t("sleep_never")));
  byId("sleep").value = "now";
  drawSleep();
}

export function startBar() {
  byId("play").addEventListener("click", toggle);
  byId("back").addEventListener("click", () => back(30000));
  byId("live").addEventListener("click", goLive);
  byId("stop").addEventListener("click", stop);
  byId("mute").addEventListener("click", () => setMuted(!muted()));
  byId("volume").addEventListener("input", (e) => setVolume(Number(e.target.value) / 100));
  byId("sleep").addEventListener("change", (e) => {
    sleepIn(Number(e.target.value));
    e.target.value = "now";
    toast(sleepLeft() ? t("sleep_set", {n: Math.round(sleepLeft() / 60000)}) : t("sleep_unset"));
  });
  byId("seek").addEventListener("input", (e) => {
    seeking = true;
    e.target.style.setProperty("--share", e.target.value / seekSteps);
  });
  byId("seek").addEventListener("change", (e) => {
    seeking = false;
    const line = timeline(player.id);
    if (line) seek(line.from + (line.live - line.from) * e.target.value / seekSteps);
  });
  byId("more").addEventListener("click", () => {
    const open = byId("more").getAttribute("aria-expanded") !== "true";
    set(byId("more"), "aria-expanded", String(open));
    byId("bar").classList.toggle("open", open);
  });
  for (const event of ["player", "titles", "stations", "status", "heard"]) on(event, draw);
  on("volume", drawVolume);
  on("sleep", drawSleep);
  on("gone", () => show(byId("gone"), state.gone));
  on("language", () => {
    fillSleep();
    drawVolume();
    draw();
  });
  fillSleep();
  drawVolume();
}

/** tick is called a few times a second: time passes without an event. */
export function tick() {
  if (player.state === "idle") return;
  draw();
  if (sleepLeft()) drawSleep();
}
