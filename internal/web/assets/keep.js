// SPDX-License-Identifier: MIT

// What the browser remembers of this page (localStorage), all under "streamer.". Nothing of it is sent anywhere. A browser
// that keeps nothing, or something damaged, costs the memory only. docs/page.md lists the names.

const prefix = "streamer.";
const heardMax = 100;
const favouritesMax = 1000;

export function kept(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(prefix + name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(prefix + name, JSON.stringify(value));
  } catch {
    // full or forbidden: not kept
  }
}

/** A note is what is remembered of a station, so that it shows when the node does not know it. */
const note = (s) => ({id: s.id, name: s.name, genre: s.genre, codec: s.codec, link: s.link});

const isNote = (n) => n !== null && typeof n === "object" && typeof n.id === "string" && /^[a-z2-7]{52}$/.test(n.id);

const notes = (name) => {
  const found = kept(name, []);
  return new Map((Array.isArray(found) ? found.filter(isNote) : []).map((n) => [n.id, n]));
};

const favourites = notes("favourites");
const heard = notes("heard"); // the latest last

export const isFavourite = (id) => favourites.has(id);
export const favouriteNotes = () => [...favourites.values()];

/** heardAt is when a station was played last here, in ms since 1970, or 0. */
export const heardAt = (id) => Number(heard.get(id)?.at) || 0;

export const heardNotes = () => [...heard.values()].reverse();

export function setFavourite(station, is) {
  if (is && favourites.size < favouritesMax) favourites.set(station.id, note(station));
  if (!is) favourites.delete(station.id);
  keep("favourites", [...favourites.values()]);
}

export function noteHeard(station) {
  heard.delete(station.id);
  heard.set(station.id, {...note(station), at: Date.now()});
  for (const id of heard.keys()) {
    if (heard.size <= heardMax) break;
    heard.delete(id);
  }
  keep("heard", [...heard.values()]);
}
