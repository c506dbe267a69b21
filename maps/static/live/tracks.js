// What moves: tracks with error ellipse, way so far and course, all in one canvas.
// Thousands come a second: what came is noted and taken in once a frame, the last of each track.

import { card } from "./card.js";
import { MovingCanvas, mercator } from "./canvas.js";
import { Clusters } from "./clusters.js";
import { latlng } from "./geometry.js";
import { TrackCursor } from "./track_cursor.js";
import { shapeOf, Sprites } from "./track_look.js";
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
const WAY_STEP_S = 2; // of its steps; nearer ones replace each other
const WAY_STEPS = 64; // at most
const DETAILED = 250; // ellipses and ways are drawn for so many in view; more hide each other
const OUTSIDE_PX = 40; // what stands so far outside the canvas may reach into it

// A layer that is on or off and draws nothing itself.
const Switch = L.Layer.extend({
  initialize(changed) { this.changed = changed; this.on = false; },
  onAdd() { this.on = true; this.changed(); },
  onRemove() { this.on = false; this.changed(); },
});

export class Tracks {
  constructor(map) {
    this.map = map;
    const pane = map.createPane("tracks");
    pane.style.zIndex = 420;
    pane.style.pointerEvents = "none"; // it would swallow the clicks of all that lies below
    this.shown = new Map();
    this.pending = new Map(); // features that came since the last frame, by id
    this.drawn = []; // tracks that stand for themselves in the last frame; `px`, `py` of the map
    this.circles = []; // of the others
    this.clusters = new Clusters();
    this.now = 0;
    this.canvas = new MovingCanvas((pen, frame) => this.paint(pen, frame), { pane: "tracks" });
    const changed = () => this.canvas.touch();
    this.dots = new Switch(changed).addTo(map);
    this.errors = new Switch(changed).addTo(map);
    this.ways = new Switch(changed).addTo(map);
    this.cursor = new TrackCursor(map, this);
    this.canvas.addTo(map);
    window.addEventListener("themechange", () => { this.sprites = undefined; changed(); });
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
    this.takeIn();
    let count = 0;
    for (const { seen } of this.shown.values()) if (now - seen <= COUNTED_S * 1000) count += 1;
    return count;
  }

  clear() {
    this.pending.clear();
    this.shown.clear();
    this.cursor.leave();
    this.canvas.touch();
  }

  drop(_, id) {
    this.pending.delete(id);
    if (this.shown.delete(id)) this.canvas.touch();
  }

  put(_, feature, now) {
    this.now = now;
    this.pending.set(feature.id, feature);
    this.canvas.touch();
  }

  age(now) {
    this.now = now;
    this.takeIn(); // a page that is not looked at has no frames
    this.cursor.refresh();
    this.canvas.touch();
  }

  takeIn() {
    for (const feature of this.pending.values()) this.take(feature);
    this.pending.clear();
  }

  take(feature) {
    const about = feature.properties;
    if (about.state === "ended" && !about.lost_near_line) {
      this.shown.delete(feature.id);
      return;
    }
    let track = this.shown.get(feature.id);
    if (track === undefined) {
      track = { id: feature.id, seen: -Infinity, way: [], px: 0, py: 0 };
      this.shown.set(feature.id, track);
    }
    track.feature = feature;
    track.time = Date.parse(about.t);
    if (about.state !== "coasting") track.seen = track.time;
    const { x, y } = mercator(latlng(feature));
    track.x = x;
    track.y = y;
    track.shape = shapeOf(about.label);
    track.lost = about.lost_near_line === true;
    track.look = track.lost ? "lost" : about.state === "confirmed" ? "confirmed" : "coasting";
    track.way = walked(track.way, x, y, track.time);
  }

  find(id) {
    this.takeIn();
    return this.shown.get(id);
  }

  paint(pen, frame) {
    this.takeIn();
    this.sprites ??= new Sprites(this.canvas.ratio);
    this.drawn.length = 0;
    this.circles = [];
    if (this.dots.on) this.place(frame);
    const detailed = this.drawn.length <= DETAILED;
    if (detailed && this.ways.on) for (const track of this.drawn) this.paintWay(pen, frame, track);
    if (detailed && this.errors.on) for (const track of this.drawn) this.paintError(pen, frame, track);
    this.paintDots(pen, frame, detailed);
    this.clusters.draw(pen, this.circles, this.sprites.colours);
    this.cursor.follow();
    const { dataset } = pen.canvas; // what is to be seen, for whoever cannot see a canvas
    const [drawn, circled] = [String(this.drawn.length), String(this.circled)];
    if (dataset.drawn !== drawn) dataset.drawn = drawn;
    if (dataset.circled !== circled) dataset.circled = circled;
  }

  // Which tracks are in view, and which of them stand for themselves.
  place(frame) {
    const { scale, originX, originY, left, top, width, height } = frame;
    const inView = [];
    this.clusters.begin(frame);
    for (const track of this.shown.values()) {
      const x = track.x * scale - originX;
      const y = track.y * scale - originY;
      if (x < -OUTSIDE_PX || y < -OUTSIDE_PX || x > width + OUTSIDE_PX || y > height + OUTSIDE_PX) continue;
      track.px = x + left;
      track.py = y + top;
      inView.push(track);
      if (x >= 0 && y >= 0 && x < width && y < height) this.clusters.add(x, y);
    }
    this.circled = 0;
    for (const track of inView) {
      const [x, y] = [track.px - left, track.py - top];
      const within = x >= 0 && y >= 0 && x < width && y < height;
      // Who was lost at the line is never one of many.
      if (within && !track.lost && this.clusters.holds(x, y)) this.circled += 1;
      else this.drawn.push(track);
    }
    this.circles = this.clusters.circles();
  }

  ageS(track) {
    return Math.max(0, (this.now - track.time) / 1000);
  }

  opacity(track) {
    if (track.lost) return 1; // stays in sight: it may be over the line
    const gone = (this.ageS(track) - FRESH_S) / (FADED_S - FRESH_S);
    return 1 - 0.65 * Math.min(1, Math.max(0, gone));
  }

  paintDots(pen, { left, top }, detailed) {
    const { sprites } = this;
    for (const track of this.drawn) {
      pen.globalAlpha = this.opacity(track);
      sprites.draw(pen, track.shape, track.look, track.px - left, track.py - top);
    }
    pen.globalAlpha = 1;
    if (!detailed) return;
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.lineWidth = 3;
    pen.strokeStyle = sprites.colours.halo;
    pen.fillStyle = sprites.colours.soft;
    for (const track of this.drawn) {
      const ageS = this.ageS(track);
      if (ageS <= OLD_S) continue;
      const [text, x, y] = [ageText(ageS), track.px - left + 11, track.py - top];
      pen.strokeText(text, x, y);
      pen.fillText(text, x, y);
    }
  }

  paintError(pen, { left, top, pxPerM }, track) {
    const { semi_major_m: major, semi_minor_m: minor, bearing_deg: bearing } = track.feature.properties.ellipse_95;
    const scale = pxPerM(track.y);
    const old = track.look !== "confirmed" || this.ageS(track) > OLD_S;
    pen.globalAlpha = 0.9 * this.opacity(track);
    pen.strokeStyle = this.sprites.colours.track;
    pen.lineWidth = 1.25;
    pen.setLineDash(old ? [4, 5] : []);
    pen.beginPath();
    // A bearing runs from north clockwise, an angle of the canvas from east.
    pen.ellipse(track.px - left, track.py - top, major * scale, minor * scale,
      ((bearing - 90) * Math.PI) / 180, 0, 2 * Math.PI);
    pen.stroke();
    pen.setLineDash([]);
    if (track.look === "confirmed") {
      pen.globalAlpha *= 0.1;
      pen.fillStyle = this.sprites.colours.track;
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  paintWay(pen, { scale, originX, originY, left, top, pxPerM }, track) {
    const { way } = track;
    const [atX, atY] = [track.px - left, track.py - top];
    pen.strokeStyle = this.sprites.colours.track;
    pen.lineWidth = 1.5;
    pen.globalAlpha = 0.55 * this.opacity(track);
    pen.beginPath();
    for (let index = 0; index < way.length; index += 3) {
      pen.lineTo(way[index] * scale - originX, way[index + 1] * scale - originY);
    }
    pen.stroke();
    const [east, north] = track.feature.properties.velocity_mps;
    const speed = Math.hypot(east, north);
    if (speed >= SLOW_MPS && this.ageS(track) <= OLD_S) {
      const length = AHEAD_S * pxPerM(track.y);
      const [tipX, tipY] = [atX + east * length, atY - north * length];
      pen.strokeStyle = this.sprites.colours.ink;
      pen.lineWidth = 2;
      pen.globalAlpha = 0.9 * this.opacity(track);
      pen.beginPath();
      pen.moveTo(atX, atY);
      pen.lineTo(tipX, tipY);
      const barb = Math.min(9, 0.3 * speed * length);
      const course = Math.atan2(-north, east);
      for (const turn of [2.6, -2.6]) {
        pen.moveTo(tipX, tipY);
        pen.lineTo(tipX + barb * Math.cos(course + turn), tipY + barb * Math.sin(course + turn));
      }
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  // The track nearest to a layer point, within so many pixels. The drawn are few thousand at most:
  // to look at each on a move of the mouse costs less than to sort them into a grid each frame.
  nearest({ x, y }, withinPx) {
    let [best, least] = [null, withinPx * withinPx];
    for (const track of this.drawn) {
      const distance = (track.px - x) ** 2 + (track.py - y) ** 2;
      if (distance <= least) [best, least] = [track, distance];
    }
    return best;
  }

  // The circle of many at a layer point.
  circleAt({ x, y }) {
    const { left, top } = this.canvas.frame();
    return this.circles.find((one) => Math.hypot(one.x + left - x, one.y + top - y) <= one.radius);
  }

  // One sentence, for a pointer that rests on it and for who listens to the page.
  tell(track) {
    const about = track.feature.properties;
    const state = word(track.lost ? "track.lost" : `track.${about.state}`);
    return `${word("track.title", { label: labelText(about.label) })} · ${state} · ${ageText(this.ageS(track))}`;
  }

  describe(track) {
    const { feature, time } = track;
    const about = feature.properties;
    const speed = word("unit.mps", { n: number(about.speed_mps, 1) });
    const moving = about.speed_mps >= SLOW_MPS;
    return card(word("track.title", { label: labelText(about.label) }), [
      [word("field.state"), word(track.lost ? "track.lost" : `track.${about.state}`)],
      [word("field.time"), `${clockText(time)} (${ageText(this.ageS(track))})`],
      [word("field.speed"), moving ? `${speed} · ${compassText(about.course_deg)}` : word("track.still")],
      [word("field.error"), word("track.error", { distance: distanceText(about.ellipse_95.semi_major_m) })],
      [word("field.coordinates"), coordinateText(feature.geometry.coordinates)],
      [word("field.devices"), about.devices.join(", ")],
      [word("field.id"), feature.id],
    ]);
  }
}

// A way with one more step: x, y, time, x, y, time … of the last two minutes, bounded.
function walked(way, x, y, time) {
  const last = way.length - 3;
  if (last >= 0 && way[last + 2] > time) return [x, y, time]; // the picture jumped back
  if (last >= 3 && time - way[last - 1] < WAY_STEP_S * 1000) way.length = last;
  way.push(x, y, time);
  let old = 0;
  while (way[old + 2] < time - WAY_KEPT_S * 1000) old += 3;
  old = Math.max(old, way.length - 3 * WAY_STEPS);
  if (old > 0) way.splice(0, old);
  return way;
}
