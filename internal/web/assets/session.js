// SPDX-License-Identifier: MIT

// Media keys and the lock screen (Media Session).

import {on, timeline} from "./state.js";
import {artwork} from "./art.js";
import {nameOf} from "./format.js";
import {station} from "./stations.js";
import {back, goLive, isOn, pause, player, position, resume, seek, stop, play} from "./player.js";
import {nowTitle} from "./titles.js";

const session = navigator.mediaSession;

let told = "";
let picture = {id: null, images: []};

function images(id) {
  if (picture.id !== id) {
    const src = artwork(id);
    picture = {id, images: src ? [{src, sizes: "256x256", type: "image/png"}] : []};
  }
  return picture.images;
}

/** tellSession tells the system what plays; it is cheap when nothing changed. */
export function tellSession() {
  if (!session || player.id === null) return;
  session.playbackState = isOn() ? "playing" : player.state === "paused" ? "paused" : "none";
  const s = station(player.id);
  if (!s || player.state === "idle") return;
  const now = nowTitle(player.id);
  const next = JSON.stringify([player.id, now.text, s.name]);
  if (next !== told) {
    told = next;
    session.metadata = new MediaMetadata({
      title: now.title || now.text || nameOf(s), artist: now.artist || nameOf(s), album: nameOf(s), artwork: images(player.id),
    });
  }
  tellPosition();
}

function tellPosition() {
  const line = timeline(player.id);
  const at = position();
  if (!session.setPositionState || !line || at === null || line.live <= line.from) return;
  const duration = (line.live - line.from) / 1000;
  try {
    session.setPositionState({duration, playbackRate: 1, position: Math.min(Math.max(0, (at - line.from) / 1000), duration)});
  } catch {
    // a browser that wants other numbers shows none
  }
}

export function startSession() {
  if (!session) return;
  const actions = {
    play: () => player.state === "paused" ? resume() : play(player.id),
    pause, stop,
    seekbackward: (d) => back((d.seekOffset || 30) * 1000),
    nexttrack: goLive,
    seekto: (d) => {
      const line = timeline(player.id);
      if (line) seek(line.from + d.seekTime * 1000);
    },
  };
  for (const [name, act] of Object.entries(actions)) {
    try {
      session.setActionHandler(name, act);
    } catch {
      // not in this browser
    }
  }
  on("player", tellSession);
  on("titles", tellSession);
}
