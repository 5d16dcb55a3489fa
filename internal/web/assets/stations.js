// SPDX-License-Identifier: MIT

// The list of stations as the node knows it, and the order in which the page shows it.

import {emit} from "./state.js";
import {favouriteNotes, heardNotes, isFavourite} from "./keep.js";

const stations = new Map(); // id -> station, as in /api/v1/stations
const searched = new WeakMap(); // station -> its texts as the search compares them

export const count = () => stations.size;

/** station returns what is known of a station: from the node, or from what this browser remembers. */
export const station = (id) => stations.get(id) ?? remembered(id);

function remembered(id) {
  const n = [...favouriteNotes(), ...heardNotes()].find((n) => n.id === id);
  return n ? fromNote(n) : null;
}

const fromNote = (n) => ({
  id: n.id, name: String(n.name ?? ""), genre: String(n.genre ?? ""), description: "", url: "", codec: String(n.codec ?? ""), bitrate_bps: 0,
  title: "", listeners: 0, audience_estimate: 0, online: false, last_alive_s: null, link: String(n.link ?? ""),
});

export function replace(list) {
  stations.clear();
  for (const s of list) stations.set(s.id, s);
  emit("stations");
}

export function change({changed, gone}) {
  for (const s of changed ?? []) stations.set(s.id, s);
  for (const id of gone ?? []) stations.delete(id);
  emit("stations");
}

const plain = (s) => s.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase();

function searchText(s) {
  let found = searched.get(s);
  if (found === undefined) searched.set(s, found = plain([s.name, s.genre, s.description, s.title].join("\n")));
  return found;
}

/** What a listener calls the audience: the estimate, which is never below those that the node knows itself. */
export const audience = (s) => Math.max(s.listeners, s.audience_estimate ?? 0);

// On the air first, by listeners; then the others, the latest alive first. Ids keep equal ones in one order.
function byRank(a, b) {
  if (a.online !== b.online) return a.online ? -1 : 1;
  const order = a.online ? b.listeners - a.listeners || audience(b) - audience(a)
    : (a.last_alive_s ?? Infinity) - (b.last_alive_s ?? Infinity) || 0;
  return order || (a.id < b.id ? -1 : 1);
}

/** view returns the ids of what a listener asks for: shelf (all, favourites, heard), words, genre, codec. */
export function view({shelf, words, genre, codec}) {
  const wanted = plain(words).split(/\s+/).filter(Boolean);
  const fits = (s) => (!genre || genres(s).includes(genre)) && (!codec || s.codec === codec) &&
    wanted.every((w) => searchText(s).includes(w));
  if (shelf === "heard") return heardNotes().map((n) => station(n.id)).filter(fits).map((s) => s.id);
  let all = [...stations.values()];
  if (shelf === "favourites") {
    all = [...all.filter((s) => isFavourite(s.id)), ...favouriteNotes().filter((n) => !stations.has(n.id)).map(fromNote)];
  }
  return all.filter(fits).sort(byRank).map((s) => s.id);
}

/** genres splits what a station says: "Jazz, Soul / Funk" is three. */
export const genres = (s) => s.genre.split(/[,;/|]+/).map((g) => g.trim().toLowerCase()).filter(Boolean);

/** choices are the genres and codecs to filter by: the most frequent genres, all codecs. */
export function choices(genresMax = 40) {
  const seen = new Map();
  const codecs = new Set();
  for (const s of stations.values()) {
    for (const g of genres(s)) seen.set(g, (seen.get(g) ?? 0) + 1);
    if (s.codec) codecs.add(s.codec);
  }
  const frequent = [...seen].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, genresMax);
  return {genres: frequent.map(([g]) => g).sort(), codecs: [...codecs].sort()};
}
