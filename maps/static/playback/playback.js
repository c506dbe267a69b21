// Playback's entry: the live map's parts, driven by what was. No sound, nothing to acknowledge.

import { AlertBoard } from "../live/alerts.js";
import { BaseMap, fetchBaseMap } from "../live/base_map.js";
import { drawBackground } from "../live/background.js";
import { Eyes } from "../live/eyes.js";
import { latlng } from "../live/geometry.js";
import { Ground } from "../live/ground.js";
import { LayerSwitch } from "../live/layer_switch.js";
import { Patrols } from "../live/patrols.js";
import { Tracks } from "../live/tracks.js";
import { clockText, dayText, setTimeZone, word } from "../page/wording.js";
import { ask, PlaybackFeed } from "./feed.js";
import { LocalTime } from "./local_time.js";
import { Timeline } from "./timeline.js";

const TICK_MS = 200;
const LONGEST_MS = 48 * 3600000;
const AROUND_MS = 1800000; // shown on either side of an instant that a link asks for
const LATELY_MS = 3600000; // shown where nothing is asked for
const STEP_MS = 10000;
const LONG_STEP_MS = 60000;
const map = window.map_live; // made by the shell, see maps/live_map.py
const at = (id) => document.getElementById(id);

// The tracks of the incident that is played back, each in a ring.
class Rings {
  constructor(trackIds) {
    this.wanted = new Set(trackIds);
    this.shown = new Map();
    this.group = L.layerGroup().addTo(map);
  }

  put(feature) {
    if (!this.wanted.has(feature.id)) return;
    if (!this.shown.has(feature.id)) {
      const look = { radius: 17, interactive: false, className: "ring", renderer: L.svg() };
      this.shown.set(feature.id, L.circleMarker(latlng(feature), look).addTo(this.group));
    }
    this.shown.get(feature.id).setLatLng(latlng(feature));
  }

  drop(id) {
    this.shown.get(id)?.remove();
    this.shown.delete(id);
  }

  clear() {
    for (const id of [...this.shown.keys()]) this.drop(id);
  }
}

class Playback {
  constructor(sector, baseMap) {
    setTimeZone(sector.timezone);
    this.local = new LocalTime(sector.timezone);
    this.ground = new Ground(map, sector.layers);
    drawBackground(map, () => this.ground.fit());
    const base = new BaseMap(map, baseMap);
    this.eyes = new Eyes(map);
    this.tracks = new Tracks(map);
    this.patrols = new Patrols(map);
    this.alerts = new AlertBoard(map, this.ground);
    this.parts = { track: this.tracks, alert: this.alerts, incident: this.alerts,
      device: this.eyes, patrol: this.patrols };
    this.each = new Set(Object.values(this.parts));
    new LayerSwitch(map, [...this.ground.layers(), ...this.eyes.layers(), ...this.tracks.layers(),
      ...this.patrols.layers(), ...this.alerts.layers(), ...base.layers()]);
    this.rings = new Rings([]);
    this.incident = null;
    this.feed = new PlaybackFeed({
      begin: () => { for (const part of this.each) part.clear(); this.rings.clear(); },
      put: (kind, feature) => {
        this.parts[kind].put(kind, feature, this.feed.at, { fresh: false });
        if (kind === "track") this.rings.put(feature);
      },
      drop: (kind, id) => { this.parts[kind].drop(kind, id); if (kind === "track") this.rings.drop(id); },
      trouble: (error) => this.tell("trouble", error === null ? "" : word("playback.trouble", { why: error.message })),
    });
    this.timeline = new Timeline((instant) => this.go(instant));
    this.listen();
  }

  // What the address asks for: an incident, an instant, a period; else the last hour.
  async begin() {
    const asked = new URLSearchParams(window.location.search);
    const time = (name) => Date.parse(asked.get(name) ?? "");
    let [since, until, instant] = [time("since"), time("until"), time("at")];
    const id = asked.get("incident");
    if (id !== null) {
      try {
        const found = await ask(`incidents/${encodeURIComponent(id)}`);
        this.incident = found;
        this.rings = new Rings(found.track_ids);
        if (Number.isNaN(since)) since = Date.parse(found.since);
        if (Number.isNaN(until)) until = Math.min(Date.parse(found.until), since + LONGEST_MS);
      } catch (error) {
        this.say(error.status === 404 ? word("playback.unknown_incident", { id })
          : word("playback.trouble", { why: error.message }));
      }
    }
    if (!Number.isNaN(instant) && Number.isNaN(since)) since = instant - AROUND_MS;
    if (!Number.isNaN(instant) && Number.isNaN(until)) until = instant + AROUND_MS;
    if (Number.isNaN(until)) until = Number.isNaN(since) ? Date.now() : since + LATELY_MS;
    if (Number.isNaN(since)) since = until - LATELY_MS;
    if (Number.isNaN(instant)) instant = since;
    // A link to an instant outside the period of its incident still shows that instant.
    [since, until] = [Math.min(since, instant), Math.max(until, instant)];
    if (this.incident === null) this.ground.fit();
    else map.setView([this.incident.lat, this.incident.lon], 17);
    await this.choose(since, until, instant);
    if (this.incident === null && this.eyes.shown.size > 0) this.ground.fit(this.eyes.bounds());
    const [alertId] = this.incident?.alert_ids ?? [];
    if (alertId !== undefined) this.alerts.select(alertId);
    setInterval(() => this.tick(), TICK_MS);
  }

  // Another period.
  async choose(since, until, instant = since) {
    at("since").value = this.local.write(since);
    at("until").value = this.local.write(until);
    if (!(since < until)) return this.say(word("playback.wrong_period"));
    if (until - since > LONGEST_MS) return this.say(word("playback.too_long", { hours: LONGEST_MS / 3600000 }));
    [this.since, this.until] = [since, until];
    this.feed.until = until;
    const period = { since: new Date(since).toISOString(), until: new Date(until).toISOString() };
    try {
      const outline = await ask("outline", period);
      this.timeline.draw(outline, since, until);
      const kept = outline.kept_since === null ? null : Date.parse(outline.kept_since);
      const when = kept === null ? "" : `${dayText(kept)} ${clockText(kept)}`;
      this.say([
        kept === null ? word("playback.none") : kept > since ? word("playback.kept_since", { time: when }) : "",
        outline.more_alerts ? word("playback.more_alerts", { count: outline.alerts.length }) : "",
      ].filter(Boolean).join(" "));
    } catch (error) {
      this.say(word("playback.trouble", { why: error.message }));
    }
    return this.go(instant);
  }

  async go(instant) {
    const to = Math.min(Math.max(instant, this.since), this.until);
    const sought = this.feed.seek(to);
    this.showTime();
    this.keepAddress();
    await sought;
    this.tick(0);
  }

  jump(direction) {
    const alert = this.timeline.next(this.feed.at, direction);
    if (alert === undefined) return;
    this.go(alert.time).then(() => this.alerts.select(alert.alert_id));
  }

  play(playing = !this.feed.playing) {
    if (playing && this.feed.at >= this.until) this.go(this.since);
    this.feed.playing = playing;
    this.tick(0);
    if (!playing) this.keepAddress();
  }

  tick(ms) {
    const now = performance.now();
    this.feed.pass(ms ?? Math.min(now - (this.tickedAt ?? now), 1000));
    this.tickedAt = now;
    for (const part of this.each) part.age(this.feed.at);
    this.showTime();
    const well = this.eyes.countWell();
    at("count-devices").textContent = `${well}/${this.eyes.shown.size}`;
    at("count-tracks").textContent = String(this.tracks.count(this.feed.at));
    at("count-alerts").textContent = String(this.alerts.count());
    at("simulated").hidden = !(this.alerts.anySimulated() || this.eyes.anySimulated());
  }

  showTime() {
    const { feed } = this;
    at("replay-time").textContent = `${dayText(feed.at)} ${clockText(feed.at)}`;
    at("replay-time").setAttribute("datetime", new Date(feed.at).toISOString());
    this.timeline.show(feed.at);
    const gap = this.timeline.inGap(feed.at);
    at("gap").hidden = !gap;
    document.body.classList.toggle("is-stale", gap);
    const text = word(feed.playing ? "playback.pause" : "playback.play");
    if (at("play").textContent !== text) at("play").textContent = text;
    at("here").search = this.address();
  }

  address() {
    const kept = { since: this.since, until: this.until, at: this.feed.at };
    const asked = new URLSearchParams(Object.entries(kept)
      .map(([name, instant]) => [name, new Date(instant).toISOString()]));
    if (this.incident !== null) asked.set("incident", this.incident.incident_id);
    return asked.toString();
  }

  keepAddress() {
    window.history.replaceState(null, "", `?${this.address()}`);
    for (const link of document.querySelectorAll(".languages a")) {
      const asked = new URLSearchParams(this.address());
      asked.set("lang", link.lang);
      link.search = asked.toString();
    }
  }

  say(text) {
    at("period-said").textContent = text;
  }

  tell(id, text) {
    if (at(id).textContent !== text) at(id).textContent = text;
    at(id).hidden = text === "";
  }

  listen() {
    at("play").addEventListener("click", () => this.play());
    at("back").addEventListener("click", () => this.go(this.feed.at - STEP_MS));
    at("ahead").addEventListener("click", () => this.go(this.feed.at + STEP_MS));
    at("previous").addEventListener("click", () => this.jump(-1));
    at("next").addEventListener("click", () => this.jump(1));
    at("speed").addEventListener("change", (event) => { this.feed.speed = Number(event.target.value); });
    this.feed.speed = Number(at("speed").value);
    at("period").addEventListener("submit", (event) => {
      event.preventDefault();
      this.choose(this.local.read(at("since").value), this.local.read(at("until").value));
    });
    document.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    const { target } = event;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const onSlider = target.id === "slider";
    // A field, a button or the map has uses of its own for these keys.
    if (!onSlider && target.closest("input, select, textarea, a, summary, .leaflet-container") !== null) return;
    if (event.key === " " && target.closest("button") !== null) return;
    const step = event.shiftKey ? LONG_STEP_MS : STEP_MS;
    const act = {
      " ": () => this.play(),
      ArrowLeft: () => this.go(this.feed.at - step),
      ArrowRight: () => this.go(this.feed.at + step),
      Home: () => this.go(this.since),
      End: () => this.go(this.until),
      n: () => this.jump(1),
      p: () => this.jump(-1),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  }
}

async function fetchSector() {
  for (;;) {
    try {
      const answer = await fetch("/api/v1/sector");
      if (answer.ok) return await answer.json();
    } catch (error) {
      console.info("the server does not answer yet", error.message);
    }
    await new Promise((resolve) => { setTimeout(resolve, 2000); });
  }
}

await new Playback(await fetchSector(), await fetchBaseMap()).begin();
