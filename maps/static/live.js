// The live map's entry: builds the parts once, then hands every change to the part it concerns.
// No framework; all text from messages goes into the page by textContent (see page/element.js).

import { Acknowledging } from "./live/acknowledging.js";
import { AlertCalls } from "./live/alert_calls.js";
import { AlertSound } from "./live/alert_sound.js";
import { AlertBoard } from "./live/alerts.js";
import { Approaches } from "./live/approaches.js";
import { BaseMap, fetchBaseMap } from "./live/base_map.js";
import { drawBackground } from "./live/background.js";
import { Banners } from "./live/banners.js";
import { CoordinatesOnClick } from "./live/coordinates.js";
import { Eyes } from "./live/eyes.js";
import { Feed } from "./live/feed.js";
import { findable } from "./live/findable.js";
import { Ground } from "./live/ground.js";
import { Keys } from "./live/keys.js";
import { LayerSwitch } from "./live/layer_switch.js";
import { Measure } from "./live/measure.js";
import { Patrols } from "./live/patrols.js";
import { Search } from "./live/search.js";
import { SeverityFilter } from "./live/severity_filter.js";
import { Tracks } from "./live/tracks.js";
import { element } from "./page/element.js";
import { clockText, dayText, setTimeZone, word } from "./page/wording.js";

const TICK_MS = 1000;
const map = window.map_live; // made by the shell, see maps/live_map.py
const byId = (id) => document.getElementById(id);

function show(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
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

// What stands at the end of an alert's card: take it, look at its case, look at what was.
function actionsOf(acknowledging) {
  return (alert, incident) => {
    const { incident_id: id, raised_at: at } = alert.about;
    const asked = new URLSearchParams({ at, incident: id });
    return [
      acknowledging.button(incident),
      element("a", { href: `/incidents/${encodeURIComponent(id)}`, text: word("alert.incident") }),
      element("a", { href: `/playback?${asked}`, text: word("alert.playback") }),
    ].filter((one) => one !== null);
  };
}

function alertBoard(ground) {
  const acknowledging = new Acknowledging((text) => show("said", text));
  let calls = null;
  let filter = null;
  const board = new AlertBoard(map, ground, {
    actions: actionsOf(acknowledging),
    onNew: (alert, text) => calls.call(alert, text),
    onChange: () => {
      calls?.count(board.countUnread());
      filter?.tell();
    },
  });
  const sound = new AlertSound(byId("sound"));
  calls = new AlertCalls(board, sound, byId("notices"));
  filter = new SeverityFilter(board, byId("severities"), byId("alerts-hidden"));
  acknowledging.changed = (incidentId) => board.redraw(incidentId);
  acknowledging.prepare().then(() => {
    for (const id of board.incidents.keys()) board.redraw(id);
  }).catch((error) => console.info("who is here is not known:", error.message));
  return { board, sound, acknowledging };
}

function start(sector, described) {
  setTimeZone(sector.timezone);
  const baseMap = new BaseMap(map, described);
  const ground = new Ground(map, sector.layers);
  drawBackground(map, () => ground.fit());
  const eyes = new Eyes(map);
  const tracks = new Tracks(map);
  const patrols = new Patrols(map);
  const { board, sound, acknowledging } = alertBoard(ground);
  const approaches = new Approaches(map, ground, board, tracks);
  const parts = { track: tracks, alert: board, incident: board, device: eyes, patrol: patrols };
  const all = [tracks, board, eyes, patrols];
  new LayerSwitch(map, [...ground.layers(), ...eyes.layers(), ...tracks.layers(),
    ...approaches.layers(), ...patrols.layers(), ...board.layers(), ...baseMap.layers()]);
  ground.fit();

  const measure = new Measure(map, byId("measure"), byId("measured"));
  new CoordinatesOnClick(map, () => !measure.on);
  const { going } = board;
  const search = new Search(map, going, findable({ going, ground, eyes, patrols, tracks, board }));
  const panel = byId("switch");
  new Keys([
    ["j", word("keys.next"), () => board.step(1)],
    ["k", word("keys.previous"), () => board.step(-1)],
    ["a", word("keys.acknowledge"), () => {
      const alert = board.alerts.get(board.selected);
      if (alert !== undefined) acknowledging.take(board.incidentOf(alert));
    }],
    ["/", word("keys.search"), () => search.focus()],
    ["l", word("layers.title"), () => {
      panel.open = !panel.open;
      if (panel.open) panel.querySelector("input").focus();
    }],
    ["o", word("map.overview"), () => ground.fit()],
    ["d", word("measure.title"), () => measure.toggle()],
    ["m", word("keys.mute"), () => sound.toggle()],
    ["t", word("bar.theme"), () => byId("theme").click()],
  ], byId("keys"), byId("help"));
  followSheet();

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
      for (const part of all) part.clear();
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
      if (kind !== "track") count(); // those come by the thousand and are counted once a second
    },
  });
  const banners = new Banners(feed);

  function count() {
    const well = eyes.countWell();
    show("count-devices", `${well}/${eyes.shown.size}`);
    byId("count-devices").classList.toggle("trouble", well < eyes.shown.size);
    show("count-alerts", String(board.count()));
    byId("simulated").hidden = !(board.anySimulated() || eyes.anySimulated());
  }

  function tick() {
    const now = feed.now();
    if (feed.synchronised) {
      show("clock", clockText(now));
      show("clock-day", dayText(now));
    }
    for (const part of [...all, approaches]) part.age(now);
    banners.tell(eyes);
    fitToEyes();
    count();
    show("count-tracks", String(tracks.count(now)));
  }

  setInterval(tick, TICK_MS);
  feed.start();
}

// On a phone the alerts are a sheet over the map.
function followSheet() {
  const button = byId("sheet");
  button.addEventListener("click", () => {
    const open = byId("alerts").classList.toggle("is-open");
    button.setAttribute("aria-expanded", String(open));
    button.textContent = word(open ? "alerts.less" : "alerts.more");
  });
}

start(...await Promise.all([fetchSector(), fetchBaseMap()]));
