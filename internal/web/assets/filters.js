// SPDX-License-Identifier: MIT

// Search, filters, and the address of a station pasted into the search.

import {byId, element, isStationLink, perFrame, show, text, toast} from "./dom.js";
import {on} from "./state.js";
import {keep, kept} from "./keep.js";
import {codecName} from "./format.js";
import {t} from "./i18n.js";
import {choices} from "./stations.js";
import {filter, order} from "./list.js";
import {tune} from "./api.js";
import {play} from "./player.js";

const search = byId("search");
const sayAfter = 800; // ms without another change before the number of stations found is said

let saying = 0; // timer

const orderFound = perFrame(order);

/** orderSoon shows what is asked for, and says how many there are: the count itself changes too often to be said. */
function orderSoon() {
  orderFound();
  clearTimeout(saying);
  saying = setTimeout(() => text(byId("found"), byId("count").textContent), sayAfter);
}

const linkIn = (words) => isStationLink(words) || /^[a-z2-7]{52}$/.test(words);

search.addEventListener("input", () => {
  const words = search.value.trim();
  show(byId("tune-link"), linkIn(words));
  filter.words = linkIn(words) ? "" : words;
  orderSoon();
});
search.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && linkIn(search.value.trim())) tuneLink();
  else if (e.key === "ArrowDown") byId("rows").querySelector('[tabindex="0"]')?.focus();
  else return;
  e.preventDefault();
});
byId("tune").addEventListener("click", tuneLink);

async function tuneLink() {
  try {
    const {id} = await tune(search.value.trim());
    search.value = "";
    search.dispatchEvent(new Event("input"));
    location.hash = "#/station/" + id;
    play(id);
  } catch (e) {
    toast(e.message);
  }
}

byId("shelf").addEventListener("change", (e) => {
  filter.shelf = e.target.value;
  keep("shelf", filter.shelf);
  byId("list").scrollTop = 0;
  orderSoon();
});
for (const name of ["genre", "codec"]) {
  byId(name).addEventListener("change", () => {
    filter[name] = byId(name).value;
    orderSoon();
  });
}

const options = (first, values, name) => [element("option", {value: ""}, first), ...values.map((v) => element("option", {value: v}, name(v)))];

let offered = "";

/** offer fills the two lists, when what there is to choose has changed and nobody is choosing. */
function offer() {
  const {genres, codecs} = choices();
  const next = JSON.stringify([genres, codecs, document.documentElement.lang]);
  if (next === offered || ["genre", "codec"].includes(document.activeElement?.id)) return;
  offered = next;
  if (filter.genre && !genres.includes(filter.genre)) genres.unshift(filter.genre);
  if (filter.codec && !codecs.includes(filter.codec)) codecs.unshift(filter.codec);
  byId("genre").replaceChildren(...options(t("genre_all"), genres, (g) => g.slice(0, 40)));
  byId("codec").replaceChildren(...options(t("codec_all"), codecs, codecName));
  byId("genre").value = filter.genre;
  byId("codec").value = filter.codec;
}

let due = false;
on("stations", () => {
  if (due) return;
  due = true;
  setTimeout(() => {
    due = false;
    offer();
  }, offered ? 3000 : 0);
});
on("language", offer);

/** startFilters puts back the shelf that was open last. */
export function startFilters() {
  const shelf = kept("shelf", "all");
  filter.shelf = ["all", "favourites", "heard"].includes(shelf) ? shelf : "all";
  byId("shelf").querySelector('[value="' + filter.shelf + '"]').checked = true;
  offer();
}
