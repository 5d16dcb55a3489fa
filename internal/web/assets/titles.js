// SPDX-License-Identifier: MIT

// Titles at the moment they are heard: by the listener's place on the timeline that the titles have, too.

import {state, tuned} from "./state.js";
import {player, position} from "./player.js";
import {station} from "./stations.js";

/** heardTitles are the titles up to the listener's place, the latest first; of another station all that are known. */
export function heardTitles(id) {
  const titles = state.titles.get(id) ?? [];
  const at = id === player.id ? position() : null;
  return titles.filter((x) => x.text && (at === null || x.at_ms <= at)).reverse();
}

/** nowTitle is {text, title, artist} of what is heard now: as the node knows it where nothing is heard here. */
export function nowTitle(id) {
  const all = state.titles.get(id) ?? [];
  const found = heardTitles(id)[0];
  if (found) return found;
  // Before the first title that is known, nothing is said rather than something wrong.
  const words = all.length > 0 && id === player.id && position() !== null ? "" : (tuned(id)?.title || station(id)?.title || "");
  return {text: words, title: "", artist: ""};
}
