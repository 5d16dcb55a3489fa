// SPDX-License-Identifier: MIT

// The page's words: one JSON file for each language, i18n/CODE.json. A text is a string, or an object by plural category
// (Intl.PluralRules) of its value n. What a language lacks is said in English.

import {keep, kept} from "./keep.js";
import {set, text} from "./dom.js";
import {emit} from "./state.js";

export const languages = {en: "English", de: "Deutsch"};

let language = "en";
let words = {};
let english = {};
let plural = new Intl.PluralRules("en");
let number = new Intl.NumberFormat("en");

export const current = () => language;

const load = async (code) => (await fetch("/assets/i18n/" + code + ".json")).json();

function preferred() {
  const wanted = [kept("language", ""), ...(navigator.languages ?? [])];
  return wanted.map((l) => String(l).split("-")[0].toLowerCase()).find((l) => Object.hasOwn(languages, l)) ?? "en";
}

export async function startLanguage() {
  english = await load("en");
  await use(preferred());
}

export async function choose(code) {
  keep("language", code);
  await use(code);
  emit("language");
}

async function use(code) {
  words = code === "en" ? english : await load(code).catch(() => english);
  language = words === english ? "en" : code;
  plural = new Intl.PluralRules(language);
  number = new Intl.NumberFormat(language, {maximumFractionDigits: 1});
  document.documentElement.lang = language;
  translate(document);
}

/** t is the text for a key, with {name} filled in from values: numbers as the language writes them. */
export function t(key, values = {}) {
  let found = words[key] ?? english[key] ?? key;
  if (typeof found === "object") found = found[plural.select(values.n)] ?? found.other;
  return found.replace(/\{(\w+)\}/g, (_, name) => typeof values[name] === "number" ? number.format(values[name]) : values[name] ?? "");
}

/** nodeSays puts a sentence of the node's, which are English, into an element: translated where there is a translation. */
export function nodeSays(node, sentence) {
  const known = Object.hasOwn(words["node_says"] ?? {}, sentence);
  set(node, "lang", known || language === "en" ? null : "en");
  text(node, known ? words["node_says"][sentence] : sentence);
}

export const list = (code) => (words[code] ?? english[code] ?? []);

function translate(root) {
  for (const [attribute, write] of [
    ["data-t", (node, value) => text(node, value)],
    ["data-t-label", (node, value) => set(node, "aria-label", value)],
    ["data-t-title", (node, value) => set(node, "title", value)],
    ["data-t-placeholder", (node, value) => set(node, "placeholder", value)],
    ["data-t-alt", (node, value) => set(node, "alt", value)],
  ]) {
    for (const node of root.querySelectorAll("[" + attribute + "]")) write(node, t(node.getAttribute(attribute)));
  }
}
