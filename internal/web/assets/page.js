// SPDX-License-Identifier: MIT
"use strict";

// Everything that comes from a station is put into the page as text, never as markup, and links only as http(s) or
// streamerp2p addresses.

const byId = (id) => document.getElementById(id);
const cards = new Map(); // station id -> article
const links = new Map(); // station id -> streamerp2p: link

const rate = (bps) => bps >= 1e6 ? (bps / 1e6).toFixed(1) + " Mbit/s" : Math.round(bps / 1e3) + " kbit/s";
const bytes = (n) => n >= 1e6 ? (n / 1e6).toFixed(1) + " MB" : Math.round(n / 1e3) + " kB";
const seconds = (ms) => (ms / 1000).toFixed(1) + " s";
const count = (n, word) => n + " " + word + (n === 1 ? "" : "s");

function span(s) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"]].flatMap(([size, unit]) => {
    const n = Math.floor(s / size);
    s -= n * size;
    return n ? [n + " " + unit] : [];
  });
  return parts.slice(0, 2).join(" ") || s + " s";
}

function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

// begin points an audio element at a live stream. A pause lets go of the stream: what is live must not pile up, and the node
// may leave. When the stream ends or breaks while somebody listens, it is asked for again.
function begin(audio, address) {
  const release = () => {
    audio.removeAttribute("src");
    audio.load();
    audio.src = address;
  };
  const again = () => setTimeout(() => {
    if (!audio.isConnected) return;
    audio.src = address;
    audio.play().catch(() => {});
  }, 3000);
  audio.src = address;
  audio.addEventListener("pause", () => audio.ended || setTimeout(release, 0));
  audio.addEventListener("ended", again);
  audio.addEventListener("error", () => audio.error && audio.currentTime > 0 && again());
}

function newCard(id) {
  const card = byId("card").content.cloneNode(true).querySelector("article");
  for (const a of card.querySelectorAll("[data-suffix]")) a.href = "/listen/" + id + a.dataset.suffix;
  card.querySelector(".leave").addEventListener("click", () => send("DELETE", "/api/v1/tune/" + id));
  begin(card.querySelector("audio"), "/listen/" + id);
  byId("stations").append(card);
  cards.set(id, card);
  return card;
}

function showStation(t) {
  const card = cards.get(t.id) || newCard(t.id);
  text(card.querySelector("h2"), t.name || "Station " + t.id.slice(0, 8));
  text(card.querySelector(".role"), t.online ? t.role : t.role + ", off the air");
  text(card.querySelector(".song"), t.title);
  const buffer = card.querySelector("meter");
  buffer.value = t.buffer_ms / 1000;
  text(card.querySelector(".buffer span"), "buffer " + seconds(t.buffer_ms));
  text(card.querySelector(".facts"), [
    t.codec && t.codec + (t.bitrate_bps ? " " + rate(t.bitrate_bps) : ""),
    t.hops === null ? "" : t.hops === 0 ? "at the source" : count(t.hops, "hop") + " from the source",
    t.lag_ms === null ? "" : seconds(t.lag_ms) + " behind it",
    count(t.chunks.received, "chunk") + ", " + t.chunks.repaired + " repaired, " + t.chunks.missing + " missing",
    bytes(t.bytes.wire_in) + " in, " + bytes(t.bytes.wire_out) + " out",
  ].filter(Boolean).join(" · "));
  text(card.querySelector("summary"), count(t.parents.length, "parent") + ", " +
    (t.children.length === 1 ? "1 child" : t.children.length + " children"));
  showPeers(card.querySelector("tbody"), t);
  showLink(t.id, card);
  card.querySelector(".leave").hidden = t.role === "source";
}

function showLink(id, card) {
  const link = card.querySelector(".link");
  const address = links.get(id) || "";
  link.hidden = !address.startsWith("streamerp2p:");
  if (!link.hidden) link.href = address;
}

function showPeers(body, t) {
  body.replaceChildren(...[["from ", t.parents], ["to ", t.children]].flatMap(([direction, peers]) => peers.map((p) => {
    const row = document.createElement("tr");
    for (const cell of [direction + p.node_id.slice(0, 8), p.addr + (p.lan ? " (LAN)" : ""), p.classes.join(" "), p.rtt_ms + " ms"]) {
      row.append(Object.assign(document.createElement("td"), {textContent: cell}));
    }
    return row;
  })));
}

// routerWords says what the router did about the port: in both families the same, or in each.
function routerWords(portmap) {
  const {ipv4, ipv6} = portmap;
  const words = (p) => (p.external === null ? "" : p.external + " by " + p.protocol + ". ") + p.words;
  if (ipv4.state === "off") return "not asked for a port";
  if (ipv6.state !== "mapped") return words(ipv4);
  return words(ipv4) + " IPv6: " + words(ipv6);
}

function showNode(s) {
  const up = s.upload;
  const facts = {
    "Node": s.node_id.slice(0, 16) + "…",
    "Version": s.version,
    "Up for": span(s.uptime_s),
    "UDP port": String(s.udp_port),
    "Reachability": s.reachability + (s.nat.mapping === "unknown" ? "" : " (NAT: " + s.nat.mapping + ", " + s.nat.filtering + ")"),
    "Router": routerWords(s.portmap),
    "Upload": rate(up.used_bps) + " used" + (up.budget_bps === null ? "" : " of " + rate(up.budget_bps)) +
      (up.measured_bps === null ? "" : ", line measured at " + rate(up.measured_bps)),
    "Peers": s.peers + " linked, " + s.hosts.known + " hosts known",
    "Players": String(s.players),
  };
  byId("facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [
    Object.assign(document.createElement("dt"), {textContent: name}),
    Object.assign(document.createElement("dd"), {textContent: value}),
  ]));
}

function showStatus(s) {
  text(byId("state"), "running, " + count(s.peers, "peer"));
  for (const t of s.tuned) showStation(t);
  const here = new Set(s.tuned.map((t) => t.id));
  for (const [id, card] of cards) {
    if (here.has(id)) continue;
    card.remove();
    cards.delete(id);
  }
  byId("nothing").hidden = here.size > 0;
  showNode(s);
}

async function send(method, path, body) {
  const problem = byId("problem");
  problem.hidden = true;
  try {
    const headers = {"X-Streamer-Token": document.querySelector('meta[name="streamer-token"]').content};
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, {method, headers, body: body && JSON.stringify(body)});
    if (answer.ok) return true;
    const {error} = await answer.json();
    text(problem, error);
  } catch (e) {
    text(problem, "The node does not answer.");
  }
  problem.hidden = false;
  return false;
}

byId("tune").addEventListener("submit", async (e) => {
  e.preventDefault();
  const field = byId("station");
  if (await send("POST", "/api/v1/tune", {station: field.value.trim()})) field.value = "";
});

const events = new EventSource("/api/v1/events");
events.addEventListener("status", (e) => showStatus(JSON.parse(e.data)));
events.addEventListener("stations", (e) => {
  links.clear();
  for (const s of JSON.parse(e.data)) links.set(s.id, s.link);
  cards.forEach((card, id) => showLink(id, card));
});
events.addEventListener("error", () => text(byId("state"), "the node does not answer"));
