// Whether the picture is live, said plainly: in the bar, and over the map where it is not.

import { clockText, durationText, word } from "../page/wording.js";

const CLOCK_OFF_S = 60;

// Read out when they change: the same words again are no change.
function tell(id, text) {
  const place = document.getElementById(id);
  place.hidden = text === null;
  if (text !== null && place.textContent !== text) place.textContent = text;
}

export class Banners {
  constructor(feed) {
    this.feed = feed;
  }

  // A picture that is followed still shows nothing where nobody looks.
  stateOf(eyes) {
    const state = this.feed.state();
    const [well, all] = [eyes.countWell(), eyes.shown.size];
    if (state.name !== "live" || (well === all && all > 0)) return state;
    return { name: well === 0 ? "blind" : "partial", since: null, well, all };
  }

  tell(eyes) {
    const { name, since, well, all } = this.stateOf(eyes);
    const text = word(`state.${name}`, { well, all });
    const state = document.getElementById("state");
    if (state.dataset.state !== name) state.dataset.state = name;
    tell("state-text", text);
    const followed = name === "live" || name === "partial" || name === "blind";
    document.body.classList.toggle("is-stale", !followed);
    if (name === "blind") tell("stale", word("state.unwatched", { state: text }));
    else if (since === null) tell("stale", null);
    else tell("stale", word("state.stale", { state: text, time: clockText(since) }));
    const aheadS = Math.round(this.feed.clockAheadS() / 10) * 10; // no new words each second
    tell("wrong-clock", Math.abs(aheadS) < CLOCK_OFF_S ? null
      : word(aheadS > 0 ? "clock.ahead" : "clock.behind", { duration: durationText(Math.abs(aheadS)) }));
  }
}
