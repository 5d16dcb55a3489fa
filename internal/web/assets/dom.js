// SPDX-License-Identifier: MIT

// Everything that comes from a station or another node is put into the page as text, never as markup.

const svgNamespace = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** text sets what an element says, and touches nothing when it says so already: screen readers stay calm. */
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

/** set sets an attribute; null and false remove it. */
export function set(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) set(node, name, value);
  node.append(...children.filter((c) => c !== null));
  return node;
}

export const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(svgNamespace, tag), attributes, children);

/** icon names one of the symbols in page.html. */
export const icon = (name) => svg("svg", {class: "icon", "aria-hidden": "true"}, svg("use", {href: "#i-" + name}));

export function setIcon(button, name) {
  set(button.querySelector("use"), "href", "#i-" + name);
}

/** webAddress returns an address that a link may have, or null: stations choose theirs. */
export function webAddress(address) {
  try {
    const url = new URL(address);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

export const isStationLink = (address) => typeof address === "string" && address.startsWith("streamerp2p:");

let toastTimer = 0;

/** toast says something once, to eyes and to screen readers. */
export function toast(words) {
  const node = byId("toast");
  text(node, words);
  node.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    node.classList.remove("shown");
    node.textContent = "";
  }, 6000);
}

/** each frame at most once: however often the returned function is called. */
export function perFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}
