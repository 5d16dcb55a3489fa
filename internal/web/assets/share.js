// SPDX-License-Identifier: MIT

// A station's link, to give to others: shared, copied, or as a QR code.

import {byId, isStationLink, text, toast} from "./dom.js";
import {nameOf} from "./format.js";
import {t} from "./i18n.js";

const linkOf = (s) => isStationLink(s.link) ? s.link : "streamerp2p:" + s.id;

/** shareLink uses what the system has for sharing, and the clipboard where it has nothing. */
export async function shareLink(s) {
  if (navigator.share) {
    try {
      return await navigator.share({title: nameOf(s), text: nameOf(s) + "\n" + linkOf(s)});
    } catch (e) {
      if (e.name === "AbortError") return;
    }
  }
  await copy(linkOf(s));
}

async function copy(link) {
  try {
    await navigator.clipboard.writeText(link);
    toast(t("copied"));
  } catch {
    showLink(link);
  }
}

function showLink(link) {
  byId("qr-link").value = link;
  if (!byId("qr").open) byId("qr").showModal();
  byId("qr-link").select();
}

export function showCode(s) {
  const image = byId("qr-image");
  text(byId("qr-heading").firstElementChild, nameOf(s));
  image.hidden = false;
  image.src = "/api/v1/stations/" + s.id + "/qr.svg";
  byId("qr-link").value = linkOf(s);
  byId("qr").showModal();
}

export function startShare() {
  byId("qr-image").addEventListener("error", () => { byId("qr-image").hidden = true; });
  byId("qr-copy").addEventListener("click", () => copy(byId("qr-link").value));
  byId("qr-close").addEventListener("click", () => byId("qr").close());
  byId("qr").addEventListener("click", (e) => e.target === byId("qr") && byId("qr").close()); // beside it
}
