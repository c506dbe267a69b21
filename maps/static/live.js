// The live map's entry: builds the parts once, then hands every change to the part it concerns.
// No framework; all text from messages goes into the page by textContent (see page/element.js).

import { AlertBoard } from "./live/alerts.js";
import { BaseMap, fetchBaseMap } from "./live/base_map.js";
import { clockText, dayText, setTimeZone, word } from "./page/wording.js";
import { drawBackground } from "./live/background.js";
import { Eyes } from "./live/eyes.js";
import { Feed } from "./live/feed.js";
import { Ground } from "./live/ground.js";
import { LayerSwitch } from "./live/layer_switch.js";
import { Patrols, Tracks } from "./live/movers.js";

const TICK_MS = 1000;
const map = window.map_live; // made by the shell, see maps/live_map.py

function show(id, text) {
  document.getElementById(id).textContent = text;
}

async function fetchSector() {
  for (;;) {
    try {
      const answer = await fetch("/api/v1/sector");
      if (answer.ok) return await answer.json();
    } catch (error) {
      console.info("the server does not answer yet", error.message);
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

// A picture that is followed still shows nothing where nobody looks.
function stateOf(feed, eyes) {
  const state = feed.state();
  const [well, all] = [eyes.countWell(), eyes.shown.size];
  if (state.name !== "live" || (well === all && all > 0)) return state;
  return { name: well === 0 ? "blind" : "partial", since: null, well, all };
}

// Both are read out when they change: the same words again are no change.
function tell(id, text) {
  const place = document.getElementById(id);
  if (place.textContent !== text) place.textContent = text;
}

function showState(state) {
  const { name, well, all } = state;
  const text = word(`state.${name}`, { well, all });
  document.getElementById("state").dataset.state = name;
  tell("state-text", text);
  const followed = name === "live" || name === "partial" || name === "blind";
  document.body.classList.toggle("is-stale", !followed);
  const banner = document.getElementById("stale");
  banner.hidden = name !== "blind" && state.since === null;
  if (banner.hidden) return;
  tell("stale", name === "blind" ? word("state.unwatched", { state: text })
    : word("state.stale", { state: text, time: clockText(state.since) }));
}

function start(sector, described) {
  setTimeZone(sector.timezone);
  const ground = new Ground(map, sector.layers);
  drawBackground(map, () => ground.fit());
  const baseMap = new BaseMap(map, described);
  const eyes = new Eyes(map);
  const tracks = new Tracks(map);
  const patrols = new Patrols(map);
  const alerts = new AlertBoard(map, ground);
  const parts = { track: tracks, alert: alerts, incident: alerts, device: eyes, patrol: patrols };
  new LayerSwitch(map, [...ground.layers(), ...eyes.layers(), ...tracks.layers(),
    ...patrols.layers(), ...alerts.layers(), ...baseMap.layers()]);
  ground.fit();

  // Until somebody touches the page it shows what the devices watch: a border is far longer.
  let touched = false;
  let fittedFor = 0;
  for (const kind of ["pointerdown", "wheel", "keydown"]) {
    document.addEventListener(kind, () => { touched = true; }, { capture: true, passive: true });
  }
  function fitToEyes() {
    if (touched || eyes.shown.size === fittedFor) return;
    fittedFor = eyes.shown.size;
    ground.fit(eyes.bounds());
  }

  const feed = new Feed({
    snapshot(picture) {
      for (const part of new Set(Object.values(parts))) part.clear();
      const now = feed.now();
      for (const kind of ["incident", "alert", "device", "patrol", "track"]) {
        for (const feature of picture[`${kind}s`].features) {
          parts[kind].put(kind, feature, now, { fresh: false });
        }
      }
      tick();
    },
    change(kind, data) {
      const part = parts[kind];
      if (part === undefined) return;
      if (data.removed) part.drop(kind, data.id);
      else part.put(kind, data, feed.now(), { fresh: true });
      count();
    },
  });

  function count() {
    const well = eyes.countWell();
    show("count-devices", `${well}/${eyes.shown.size}`);
    document.getElementById("count-devices").classList.toggle("trouble", well < eyes.shown.size);
    show("count-tracks", String(tracks.count(feed.now())));
    show("count-alerts", String(alerts.count()));
    document.getElementById("simulated").hidden = !(alerts.anySimulated() || eyes.anySimulated());
  }

  function tick() {
    const now = feed.now();
    if (feed.synchronised) {
      show("clock", clockText(now));
      show("clock-day", dayText(now));
    }
    for (const part of new Set(Object.values(parts))) part.age(now);
    showState(stateOf(feed, eyes));
    fitToEyes();
    count();
  }

  setInterval(tick, TICK_MS);
  feed.start();
}

start(await fetchSector(), await fetchBaseMap());
