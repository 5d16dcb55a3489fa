// SPDX-License-Identifier: MIT

// The page of a node: it starts the parts and says which one a narrow window shows. docs/page.md says how it is built.

import {byId, set} from "./dom.js";
import {emit, on, state, tuned} from "./state.js";
import {startLanguage, t} from "./i18n.js";
import {startEvents, watch} from "./api.js";
import {isOn, player} from "./player.js";
import {nowTitle} from "./titles.js";
import {nameOf} from "./format.js";
import {station, view} from "./stations.js";
import {markSelected, onSelect, order} from "./list.js";
import {startFilters} from "./filters.js";
import {draw as drawStation, showStation, shownStation, startStation} from "./station.js";
import {startShare} from "./share.js";
import {startForest} from "./forest.js";
import {startPlots} from "./plots.js";
import {startBar, tick} from "./bar.js";
import {startSession, tellSession} from "./session.js";
import {applyTheme, startYou} from "./you.js";

function choose(id) {
  showStation(id);
  markSelected(id);
}

/** route shows what the address says: #/ the list, #/station and #/station/ID a station, #/you your part. */
function route() {
  const [, part, id] = location.hash.match(/^#\/(station|you)?(?:\/([a-z2-7]{52}))?$/) ?? [];
  document.body.dataset.view = part ?? "stations";
  if (id) choose(id);
  for (const a of byId("tabs").children) set(a, "aria-current", a.dataset.view === (part ?? "stations") ? "page" : null);
}

/** fallback shows some station when none was asked for: what plays here, or the first of the list. */
function fallback() {
  if (shownStation() !== null) return;
  const id = [player.id, state.status?.tuned[0]?.id, view({shelf: "all", words: "", genre: "", codec: ""})[0]]
    .find((id) => id && (station(id) || tuned(id)));
  if (id) choose(id);
}

function title() {
  const s = isOn() ? station(player.id) : null;
  const words = s ? [nowTitle(s.id).text, nameOf(s)].filter(Boolean).join(" – ") : "Streamer";
  if (document.title === words) return;
  document.title = words;
  emit("title");
}

/** everySoOften is for what changes without an event: the listener's place. */
function everySoOften() {
  tick();
  if (shownStation() === player.id && player.state !== "idle") drawStation();
  tellSession();
  title();
}

async function start() {
  applyTheme();
  await startLanguage();
  startFilters();
  startStation();
  startShare();
  startPlots();
  startForest();
  startBar();
  startSession();
  startYou();
  onSelect(choose);
  addEventListener("hashchange", route);
  route();
  on("status", fallback);
  on("stations", fallback);
  on("player", everySoOften);
  byId("skip").addEventListener("click", (e) => {
    e.preventDefault();
    location.hash = "#/";
    (byId("rows").querySelector('[tabindex="0"]') ?? byId("list")).focus();
  });
  order();
  startEvents();
  setInterval(everySoOften, 250);
  setInterval(watch, 3000);
  document.body.dataset.ready = t("tab_stations") === "tab_stations" ? "wordless" : "yes";
}

start();
