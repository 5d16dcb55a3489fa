// SPDX-License-Identifier: MIT

// The sleep timer: at its end the sound has faded out, and the station is left.

import {emit} from "./state.js";
import {isOn, setFade, stop} from "./player.js";

const fadeTime = 30000; // ms

let endsAt = 0; // Date.now() of the end; 0: off
let timer = 0;

/** sleepIn stops playing after some minutes; 0 is never. */
export function sleepIn(minutes) {
  clearInterval(timer);
  setFade(1);
  endsAt = minutes > 0 ? Date.now() + minutes * 60000 : 0;
  if (endsAt) timer = setInterval(tick, 500);
  emit("sleep");
}

/** sleepLeft is the time left in ms, 0 when the timer is off. */
export const sleepLeft = () => endsAt ? Math.max(0, endsAt - Date.now()) : 0;

function tick() {
  const left = sleepLeft();
  setFade(Math.min(1, left / fadeTime));
  if (left > 0) return;
  if (isOn()) stop();
  sleepIn(0);
}
