// What moves: tracks with error ellipse, way so far and course; our own patrols.
// The dots are page elements (they can be clicked); the rest is drawn on one canvas below them.

import { element, svg } from "../page/element.js";
import { bindLiveCard, card, marker, refreshCard } from "./card.js";
import { ellipse, latlng, offset } from "./geometry.js";
import {
  ageText, clockText, compassText, coordinateText, distanceText, labelText, number, word,
} from "../page/wording.js";

const AHEAD_S = 10; // the course line shows where it would be then
const SLOW_MPS = 0.25;
const FRESH_S = 3; // full colour until then, fading until FADED_S
const FADED_S = 30;
const COUNTED_S = 10; // a track that nobody has seen for longer may be nobody
const OLD_S = 8; // the age is written beside the dot from then on
const WAY_KEPT_S = 120;
const VEHICLES = new Set(["car", "truck", "bus", "motorcycle", "bicycle", "boat", "train"]);

const SHAPES = {
  person: "M8 3.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 1 0 0-9.6z",
  vehicle: "M3.2 3.2h9.6v9.6H3.2z",
  other: "M8 2 14 8 8 14 2 8z",
};

function shapeOf(label) {
  if (label === "person") return "person";
  return VEHICLES.has(label) ? "vehicle" : "other";
}

export class Tracks {
  constructor(map) {
    const pane = map.createPane("tracks");
    pane.style.zIndex = 420;
    pane.style.pointerEvents = "none"; // a canvas would swallow the clicks of all that lies below
    this.renderer = L.canvas({ pane: "tracks", padding: 0.3 });
    this.dots = L.layerGroup().addTo(map);
    this.errors = L.layerGroup().addTo(map);
    this.ways = L.layerGroup().addTo(map);
    this.shown = new Map();
  }

  layers() {
    return [
      { name: word("layer.tracks"), symbol: "of-dot of-track", layer: this.dots },
      { name: word("layer.errors"), symbol: "of-ellipse", layer: this.errors },
      { name: word("layer.ways"), symbol: "of-line of-way", layer: this.ways },
    ];
  }

  // How many were seen lately: the rest is on the map as a ghost, with its age.
  count(now) {
    return [...this.shown.values()].filter(({ seen }) => now - seen <= COUNTED_S * 1000).length;
  }

  clear() {
    for (const id of [...this.shown.keys()]) this.drop("track", id);
  }

  drop(_, id) {
    const track = this.shown.get(id);
    if (track === undefined) return;
    this.dots.removeLayer(track.dot);
    this.errors.removeLayer(track.error);
    this.ways.removeLayer(track.way);
    this.ways.removeLayer(track.course);
    this.shown.delete(id);
  }

  put(_, feature, now) {
    const about = feature.properties;
    if (about.state === "ended" && !about.lost_near_line) {
      this.drop("track", feature.id);
      return;
    }
    const at = latlng(feature);
    const track = this.shown.get(feature.id) ?? this.draw(feature.id, at, about);
    track.about = about;
    track.feature = feature;
    track.time = Date.parse(about.t);
    if (about.state !== "coasting") track.seen = track.time;
    track.path.push({ at, time: track.time });
    while (track.path[0].time < track.time - WAY_KEPT_S * 1000) track.path.shift();
    track.dot.setLatLng(at);
    track.error.setLatLngs(ellipse(at, about.ellipse_95));
    track.way.setLatLngs(track.path.map((step) => step.at));
    track.course.setLatLngs(course(at, about.velocity_mps));
    track.symbol.setAttribute("class", `mover is-${shapeOf(about.label)} is-${about.state}${about.lost_near_line ? " is-lost" : ""}`);
    track.shape.setAttribute("d", SHAPES[shapeOf(about.label)]);
    this.fade(track, now);
  }

  draw(id, at, about) {
    const style = { renderer: this.renderer, pane: "tracks", interactive: false, smoothFactor: 0.2 };
    const shape = svg("path", { d: SHAPES[shapeOf(about.label)] });
    const symbol = svg("svg", { viewBox: "0 0 16 16", width: 18, height: 18 }, [shape]);
    const age = element("span", { className: "mover-age" });
    const dot = marker(at, element("div", { className: "mover-box", children: [symbol, age] }), {
      title: labelText(about.label), alt: labelText(about.label), zIndexOffset: 200,
    });
    const track = {
      dot, symbol, shape, age, path: [], seen: -Infinity,
      error: L.polygon([at], { ...style, color: "#7fd6ff", weight: 1.25, fillOpacity: 0.09 }),
      way: L.polyline([at], { ...style, color: "#7fd6ff", weight: 1.5, opacity: 0.45 }),
      course: L.polyline([at], { ...style, color: "#e9f6ff", weight: 2 }),
    };
    bindLiveCard(dot, () => this.describe(track)).addTo(this.dots);
    track.error.addTo(this.errors);
    track.way.addTo(this.ways);
    track.course.addTo(this.ways);
    this.shown.set(id, track);
    return track;
  }

  age(now) {
    for (const track of this.shown.values()) this.fade(track, now);
  }

  fade(track, now) {
    const ageS = Math.max(0, (now - track.time) / 1000);
    const gone = Math.min(1, Math.max(0, (ageS - FRESH_S) / (FADED_S - FRESH_S)));
    const lost = track.about.lost_near_line === true; // stays in sight: it may be over the line
    const opacity = lost ? 1 : 1 - 0.75 * gone;
    const coasting = track.about.state !== "confirmed";
    const dashArray = coasting || ageS > OLD_S ? "4 5" : null;
    track.dot.setOpacity(opacity);
    track.error.setStyle({ opacity: 0.9 * opacity, fillOpacity: coasting ? 0 : 0.09 * opacity, dashArray });
    track.way.setStyle({ opacity: 0.45 * opacity });
    track.course.setStyle({ opacity: ageS > OLD_S ? 0 : 0.9 * opacity });
    track.age.textContent = ageS > OLD_S ? ageText(ageS) : "";
    track.now = now;
    refreshCard(track.dot);
  }

  describe(track) {
    const { about, feature, time, now } = track;
    const speed = word("unit.mps", { n: number(about.speed_mps, 1) });
    const moving = about.speed_mps >= SLOW_MPS;
    return card(word("track.title", { label: labelText(about.label) }), [
      [word("field.state"), word(about.lost_near_line ? "track.lost" : `track.${about.state}`)],
      [word("field.time"), `${clockText(time)} (${ageText((now - time) / 1000)})`],
      [word("field.speed"), moving ? `${speed} · ${compassText(about.course_deg)}` : word("track.still")],
      [word("field.error"), word("track.error", { distance: distanceText(about.ellipse_95.semi_major_m) })],
      [word("field.coordinates"), coordinateText(feature.geometry.coordinates)],
      [word("field.devices"), about.devices.join(", ")],
      [word("field.id"), feature.id],
    ]);
  }
}

// A line to where it would be in AHEAD_S, with a head.
function course(at, [east, north]) {
  const speed = Math.hypot(east, north);
  if (speed < SLOW_MPS) return [];
  const tip = offset(at, east * AHEAD_S, north * AHEAD_S);
  const barb = (turn) => {
    const angle = Math.atan2(north, east) + turn;
    const length = speed * AHEAD_S * 0.28;
    return offset(tip, length * Math.cos(angle), length * Math.sin(angle));
  };
  return [[at, tip], [barb(2.6), tip, barb(-2.6)]];
}

export class Patrols {
  constructor(map) {
    const pane = map.createPane("patrols");
    pane.style.zIndex = 410;
    pane.style.pointerEvents = "none";
    this.renderer = L.svg({ pane: "patrols", padding: 0.3 });
    this.group = L.layerGroup().addTo(map);
    this.shown = new Map();
  }

  layers() {
    return [{ name: word("layer.patrols"), symbol: "of-patrol", layer: this.group }];
  }

  clear() {
    for (const id of [...this.shown.keys()]) this.drop("patrol", id);
  }

  drop(_, id) {
    const patrol = this.shown.get(id);
    if (patrol === undefined) return;
    this.group.removeLayer(patrol.badge);
    this.group.removeLayer(patrol.circle);
    this.shown.delete(id);
  }

  put(_, feature, now) {
    const at = latlng(feature);
    const patrol = this.shown.get(feature.id) ?? this.draw(feature.id, at);
    patrol.feature = feature;
    patrol.badge.setLatLng(at);
    patrol.circle.setLatLng(at);
    patrol.circle.setRadius(feature.properties.radius_95_m);
    this.fade(patrol, now);
  }

  draw(id, at) {
    const symbol = svg("svg", { viewBox: "0 0 22 16", width: 22, height: 16, class: "patrol-sign" }, [
      svg("rect", { x: 1.5, y: 1.5, width: 19, height: 13, rx: 2 }),
      svg("path", { d: "M1.5 1.5 20.5 14.5M20.5 1.5 1.5 14.5" }),
    ]);
    const content = element("div", {
      className: "patrol", children: [symbol, element("span", { text: id })],
    });
    const patrol = {
      badge: marker(at, content, { title: id, alt: id, zIndexOffset: 100 }),
      circle: L.circle(at, {
        renderer: this.renderer, pane: "patrols", interactive: false, className: "patrol-error",
        radius: 1,
      }),
    };
    bindLiveCard(patrol.badge, () => this.describe(patrol)).addTo(this.group);
    patrol.circle.addTo(this.group);
    this.shown.set(id, patrol);
    return patrol;
  }

  age(now) {
    for (const patrol of this.shown.values()) this.fade(patrol, now);
  }

  fade(patrol, now) {
    patrol.now = now;
    const ageS = (now - Date.parse(patrol.feature.properties.captured_at)) / 1000;
    patrol.badge.setOpacity(ageS > 300 ? 0.4 : 1);
    refreshCard(patrol.badge);
  }

  describe({ feature, now }) {
    const time = Date.parse(feature.properties.captured_at);
    return card(word("patrol.title", { id: feature.id }), [
      [word("field.time"), `${clockText(time)} (${ageText((now - time) / 1000)})`],
      [word("field.error"), word("track.error", { distance: distanceText(feature.properties.radius_95_m) })],
      [word("field.coordinates"), coordinateText(feature.geometry.coordinates)],
    ]);
  }
}
