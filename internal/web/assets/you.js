// SPDX-License-Identifier: MIT

// Your part: what this node gives, what it may give, whether others reach it, what others can learn. And the welcome at the
// first start, which shows the same in short.

import {byId, element, set, show, text, toast} from "./dom.js";
import {on, state} from "./state.js";
import {keep, kept} from "./keep.js";
import {bytes, rate, span} from "./format.js";
import {choose, current, languages, list, nodeSays, t} from "./i18n.js";
import {changeSettings, measure} from "./api.js";
import {isOn} from "./player.js";

let limitShown = false; // the listener wants to set a limit, and has not said which

function drawGiven() {
  const {upload, given, tuned} = state.status;
  const today = given?.today_bytes ?? tuned.reduce((sum, s) => sum + s.bytes.wire_out, 0);
  text(byId("given"), bytes(today));
  text(byId("given-more"), [t("given_now", {rate: rate(upload.used_bps)}), given ? t("given_total", {bytes: bytes(given.total_bytes)}) : ""]
    .filter(Boolean).join(" · "));
}

const uploadMode = (bps) => bps === null || bps === undefined ? "auto" : bps === 0 ? "none" : "limit";

function drawSettings() {
  const s = state.settings ?? {upload_bps: state.status?.upload.budget_bps, upload_fixed: true, metered: null, metered_upload: false};
  const mode = limitShown ? "limit" : uploadMode(s.upload_bps);
  byId("upload").querySelector('[value="' + mode + '"]').checked = true;
  byId("upload").disabled = byId("limit-rate").disabled = s.upload_fixed === true;
  show(byId("limit"), mode === "limit");
  if (mode === "limit" && document.activeElement !== byId("limit-rate") && s.upload_bps > 0) byId("limit-rate").value = s.upload_bps / 1e6;
  text(byId("upload-words"), s.upload_fixed ? t("upload_fixed") : t("upload_words_" + (limitShown ? "limit" : mode)));
  byId("metered").checked = s.metered_upload === true;
  byId("metered").disabled = state.settings === null;
  text(byId("metered-words"), t(s.metered === true ? s.metered_upload ? "metered_used" : "metered_spared" : s.metered === false ? "metered_not" : "metered_unknown"));
}

async function apply(change) {
  show(byId("settings-problem"), false);
  try {
    await changeSettings(change);
  } catch (e) {
    text(byId("settings-problem"), e.message);
    show(byId("settings-problem"), true);
  }
  drawSettings();
}

/** measureWords says honestly what is known of the upload. */
function measureWords(upload) {
  const {state: at, bps, at_least: atLeast} = upload.test;
  if (at === "asking") return t("measure_asking");
  if (at === "running") return t("measure_running");
  const known = bps ? t(atLeast ? "measure_at_least" : "measure_done", {rate: rate(bps)}) : "";
  if (at === "later") return t("measure_later") + " " + known;
  if (at === "done" && known) return known;
  if (at === "nobody") return t("measure_nobody");
  if (upload.measured_bps) return t("measure_seen", {rate: rate(upload.measured_bps)});
  return t("measure_never");
}

function drawMeasure() {
  const {upload} = state.status;
  const running = ["asking", "running"].includes(upload.test.state);
  for (const [bar, words] of [["measure-progress", "measure-words"], ["welcome-progress", "welcome-measure"]]) {
    show(byId(bar), running);
    if (upload.test.state === "running") byId(bar).value = upload.test.percent;
    else byId(bar).removeAttribute("value");
    text(byId(words), measureWords(upload));
  }
  byId("measure-again").disabled = running;
}

// Green only for what was proven: strangers' datagrams came in. The node says "public" and "mapped" of nothing else.
const lamps = {public: "good", mapped: "good", punchable: "fair", proxied: "weak", blocked: "bad", unknown: "open"};

function drawReach() {
  const {reachability, nat} = state.status;
  const lamp = state.gone ? "bad" : lamps[reachability] ?? "open";
  for (const node of [byId("standing").firstElementChild, byId("reach").firstElementChild, byId("welcome-lamp")]) set(node, "data-lamp", lamp);
  const known = Object.hasOwn(lamps, reachability) ? reachability : "unknown";
  text(byId("standing-text"), state.gone ? t("gone_short") : t("reach_short_" + known));
  text(byId("reach").querySelector("strong"), t("reach_" + known));
  text(byId("welcome-reach"), t("reach_long_" + known));
  nodeSays(byId("reach-words"), nat.summary);
  nodeSays(byId("reach-advice"), nat.advice);
}

function drawFacts() {
  if (!byId("node").open) return;
  const s = state.status;
  const facts = {
    fact_version: s.version, fact_node: s.node_id.slice(0, 16) + "…", fact_up: span(s.uptime_s), fact_port: String(s.udp_port),
    fact_nat: s.nat.mapping + ", " + s.nat.filtering, fact_hosts: t("hosts", {known: s.hosts.known, answering: s.hosts.answering}),
    fact_peers: String(s.peers), fact_players: String(s.players),
    fact_upload: s.upload.measured_bps ? rate(s.upload.measured_bps) : t("unknown"),
    fact_router: s.portmap.ipv4.external ?? s.portmap.ipv6.external ?? s.portmap.ipv4.state,
  };
  byId("facts").replaceChildren(...Object.entries(facts).flatMap(([key, value]) => [
    element("dt", {}, t(key)), element("dd", {}, element("bdi", {}, value)),
  ]));
}

const isFirst = () => state.status?.first_start === true && !kept("welcomed", false);

let measured = false;

/** welcome begins the measurement at the first start, unless the connection is a metered one. */
function drawWelcome() {
  show(byId("welcome"), isFirst());
  byId("welcome").classList.toggle("small", isOn());
  if (!isFirst() || measured || state.settings?.metered === true || state.status.upload.test.state !== "never") return;
  if (state.status.hosts.answering === 0) return; // nobody to measure with yet
  measured = true;
  measure().catch(() => {}); // the welcome says what is known
}

function draw() {
  if (!state.status) return;
  drawGiven();
  drawMeasure();
  drawReach();
  drawFacts();
  drawWelcome();
}

function drawTexts() {
  byId("privacy-list").replaceChildren(...list("privacy_list").map((line) => element("li", {}, line)));
  drawSettings();
  draw();
}

function startUpload() {
  byId("upload").addEventListener("change", (e) => {
    limitShown = e.target.value === "limit";
    if (limitShown) {
      drawSettings();
      if (!byId("limit-rate").value) byId("limit-rate").value = 1;
      byId("limit-rate").focus();
    } else apply({upload_bps: e.target.value === "none" ? 0 : null});
  });
  byId("limit").addEventListener("submit", (e) => {
    e.preventDefault();
    limitShown = false;
    apply({upload_bps: Math.round(byId("limit-rate").value * 1e6)}).then(() => toast(t("applied")));
  });
  byId("metered").addEventListener("change", (e) => apply({metered_upload: e.target.checked}));
  byId("measure-again").addEventListener("click", () => measure().catch((e) => toast(e.message)));
}

export function applyTheme() {
  const theme = kept("theme", "auto");
  set(document.documentElement, "data-theme", ["light", "dark"].includes(theme) ? theme : null);
}

export function startYou() {
  startUpload();
  byId("welcome-done").addEventListener("click", () => {
    keep("welcomed", true);
    show(byId("welcome"), false);
    apply({});
    (byId("rows").querySelector('[tabindex="0"]') ?? byId("search")).focus();
  });
  byId("language").replaceChildren(...Object.entries(languages).map(([code, name]) => element("option", {value: code, lang: code}, name)));
  byId("language").value = current();
  byId("language").addEventListener("change", (e) => choose(e.target.value));
  byId("theme").value = kept("theme", "auto");
  byId("theme").addEventListener("change", (e) => {
    keep("theme", e.target.value);
    applyTheme();
  });
  byId("node").addEventListener("toggle", draw);
  on("status", draw);
  on("gone", draw);
  on("player", draw);
  on("settings", drawSettings);
  on("language", drawTexts);
  drawTexts();
}
