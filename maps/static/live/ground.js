// What stays: the border with its home side, trails, zones, boundary markers.

import { element, svg } from "../page/element.js";
import { card, marker } from "./card.js";
import { inside } from "./geometry.js";
import { word, wordOr } from "../page/wording.js";
import { crossings, nearestOn, part } from "./ways.js";

const TICK_PX = 8; // length of the strokes on the home side
const TICK_EVERY_PX = 16;
const MAX_TICKS = 4000;

const idOf = (feature) => String(feature.properties?.id ?? feature.id ?? "");

// A LineString: fusion has refused every other geometry.
const lineOf = (feature) => feature.geometry.coordinates.map(([lon, lat]) => L.latLng(lat, lon));

// The middle of the southern edge: the name stands below the area, what moves in it stays clear.
const footOf = (bounds) => [bounds.getSouth(), bounds.getCenter().lng];

// A point so far along the part of a line that is in view; its first point if none is.
function placeForName(map, line, share) {
  const view = map.getBounds().pad(-0.05);
  const steps = [];
  for (let index = 1; index < line.length; index += 1) {
    for (let step = 0; step < 16; step += 1) {
      const along = step / 16;
      const [from, to] = [line[index - 1], line[index]];
      const at = L.latLng(
        from.lat + along * (to.lat - from.lat), from.lng + along * (to.lng - from.lng));
      if (view.contains(at)) steps.push(at);
    }
  }
  return steps.length === 0 ? line[0] : steps[Math.floor(share * steps.length)];
}

// Short strokes on the home side of a line, in pixels, for the part in view.
function ticks(map, line, homeSide) {
  const view = map.getPixelBounds();
  const box = L.bounds(view.min.subtract([40, 40]), view.max.add([40, 40]));
  const strokes = [];
  let carry = TICK_EVERY_PX / 2;
  for (let index = 1; index < line.length; index += 1) {
    const from = map.project(line[index - 1]);
    const to = map.project(line[index]);
    const length = from.distanceTo(to);
    if (length === 0) continue;
    if (!box.intersects(L.bounds([from, to]))) { carry = TICK_EVERY_PX / 2; continue; }
    const ahead = to.subtract(from).divideBy(length);
    // North is up and y grows downwards, so left of (x, y) is (y, -x).
    const left = L.point(ahead.y, -ahead.x);
    const home = homeSide === "left" ? left : left.multiplyBy(-1);
    let at = carry;
    for (; at < length && strokes.length < MAX_TICKS; at += TICK_EVERY_PX) {
      const foot = from.add(ahead.multiplyBy(at));
      if (!box.contains(foot)) continue;
      strokes.push([map.unproject(foot), map.unproject(foot.add(home.multiplyBy(TICK_PX)))]);
    }
    carry = at - length;
  }
  return strokes;
}

export class Ground {
  constructor(map, layers) {
    this.map = map;
    this.byTrailId = new Map(); // name, kind and line
    this.borderLines = [];
    this.places = []; // what can be searched for: kind, name, id and where it is
    this.restricted = []; // zones: name and rings
    this.names = []; // of trails: they stay in view
    this.strokes = []; // of the home side: they keep their size on the screen
    this.border = L.featureGroup();
    this.trails = L.featureGroup();
    this.zones = L.featureGroup();
    this.markers = L.featureGroup();
    this.pane("zones", 310);
    this.pane("trails", 320);
    this.pane("border", 330);
    for (const feature of layers.zones?.features ?? []) this.addZone(feature);
    for (const feature of layers.trails?.features ?? []) this.addTrail(feature);
    for (const feature of layers.border?.features ?? []) this.addBorder(feature);
    for (const feature of layers.markers?.features ?? []) this.addMarker(feature);
    for (const group of [this.zones, this.trails, this.border, this.markers]) group.addTo(map);
    map.on("moveend", () => this.follow());
    this.follow();
  }

  pane(name, zIndex) {
    this.map.createPane(name).style.zIndex = zIndex;
  }

  options(pane, className) {
    this.renderers ??= {};
    this.renderers[pane] ??= L.svg({ pane, padding: 0.5 });
    return { pane, renderer: this.renderers[pane], className };
  }

  // The whole sector.
  bounds() {
    return [this.border, this.trails, this.zones, this.markers]
      .map((group) => group.getBounds()).filter((one) => one.isValid())
      .reduce((all, one) => all.extend(one), L.latLngBounds([]));
  }

  // Show an area, beside the open list of layers where there is room for both.
  fit(bounds = this.bounds()) {
    if (!bounds.isValid()) return;
    const panel = document.getElementById("switch");
    const aside = panel.open && window.innerWidth >= 1500 ? panel.offsetWidth : 0;
    this.map.fitBounds(bounds, {
      animate: false, paddingTopLeft: [aside + 30, 30], paddingBottomRight: [30, 36], maxZoom: 20,
    });
  }

  // After each move of the map: strokes of the same size, names where one can read them.
  follow() {
    this.names.forEach(({ line, label }, index) => {
      label.setLatLng(placeForName(this.map, line, 0.12 + 0.1 * (index % 3)));
    });
    for (const { line, homeSide, strokes } of this.strokes) {
      strokes.setLatLngs(ticks(this.map, line, homeSide));
    }
  }

  layers() {
    return [
      { name: word("layer.border"), symbol: "of-line of-border", layer: this.border },
      { name: word("layer.trails"), symbol: "of-line of-trail", layer: this.trails },
      { name: word("layer.zones"), symbol: "of-area of-zone", layer: this.zones },
      { name: word("layer.markers"), symbol: "of-post", layer: this.markers },
    ];
  }

  trail(id) {
    return this.byTrailId.get(String(id));
  }

  remember(kind, name, id, bounds) {
    this.places.push({ kind, name, id, show: () => this.map.fitBounds(bounds, { maxZoom: 18, padding: [40, 40] }) });
  }

  // The way along a trail from the place nearest to a point to where the trail meets the border
  // first, whichever side; null where there is no such trail or it does not meet it.
  wayToBorder(trailId, from) {
    const line = this.trail(trailId)?.line;
    if (line === undefined) return null;
    const here = nearestOn(line, from);
    const exits = this.borderLines.flatMap((border) => crossings(line, border));
    exits.sort((one, other) => Math.abs(one.along - here.along) - Math.abs(other.along - here.along));
    return exits.length === 0 ? null : part(line, here, exits[0]);
  }

  nearestOnBorder(from) {
    const found = this.borderLines.map((line) => nearestOn(line, from)).filter((one) => one !== null)
      .sort((one, other) => one.aside - other.aside);
    return found.length === 0 ? null : found[0].at;
  }

  // The names of the restricted zones at a place.
  restrictedAt({ lat, lon }) {
    return this.restricted.filter(({ rings }) => inside(rings, lon, lat))
      .map(({ name }) => name).join(", ");
  }

  addBorder(feature) {
    const { home_side: homeSide, status } = feature.properties ?? {};
    const kind = status ?? "demarcated";
    const line = lineOf(feature);
    this.borderLines.push(line);
    const still = { interactive: false };
    L.polyline(line, { ...this.options("border", "border-halo"), ...still }).addTo(this.border);
    const strokes = L.polyline([], { ...this.options("border", "border-home"), ...still });
    strokes.addTo(this.border);
    L.polyline(line, this.options("border", `border-line is-${kind}`))
      .bindPopup(() => card(word("layer.border"), [
        [word("border.status"), wordOr(`border.${kind}`, kind)],
        [word("border.home"), wordOr(`border.home_${homeSide}`, homeSide)],
      ]))
      .addTo(this.border);
    this.strokes.push({ line, homeSide, strokes });
    this.nameSides(line, homeSide);
  }

  // "Phía ta" and "Bên kia" on either side of the line's longest stretch.
  nameSides(line, homeSide) {
    let best = null;
    for (let index = 1; index < line.length; index += 1) {
      const length = line[index - 1].distanceTo(line[index]);
      if (best === null || length > best.length) best = { length, index };
    }
    if (best === null) return;
    const [from, to] = [this.map.project(line[best.index - 1], 16), this.map.project(line[best.index], 16)];
    const middle = this.map.unproject(from.add(to).divideBy(2), 16);
    let angle = (Math.atan2(to.y - from.y, to.x - from.x) * 180) / Math.PI;
    let homeAbove = homeSide === "left";
    if (angle > 90 || angle < -90) { // never upside down
      angle += 180;
      homeAbove = !homeAbove;
    }
    const text = (key) => element("span", { text: word(key) });
    const names = homeAbove ? ["border.side_home", "border.side_abroad"]
      : ["border.side_abroad", "border.side_home"];
    const label = element("div", { className: "sides", children: names.map(text) });
    label.style.transform = `translate(-50%, -50%) rotate(${angle}deg)`;
    marker(middle, label, { interactive: false, keyboard: false, pane: "border" }).addTo(this.border);
  }

  addTrail(feature) {
    const { name, kind: type = "duong_mon" } = feature.properties ?? {};
    const id = idOf(feature);
    const line = lineOf(feature);
    this.byTrailId.set(id, { name: String(name ?? id), kind: type, line });
    this.remember(wordOr(`trail.${type}`, type), String(name ?? id), id, L.latLngBounds(line));
    L.polyline(line, { ...this.options("trails", "hit") }) // wide and unseen: easy to click
      .bindPopup(() => card(String(name ?? id), [
        [word("trail.kind"), wordOr(`trail.${type}`, type)], [word("field.id"), id],
      ]))
      .addTo(this.trails);
    L.polyline(line, { ...this.options("trails", `trail is-${type}`), interactive: false })
      .addTo(this.trails);
    const text = element("span", { className: "ground-name is-trail", text: String(name ?? id) });
    const label = marker(line[0], text, { interactive: false, keyboard: false });
    label.addTo(this.trails);
    this.names.push({ line, label });
  }

  addZone(feature) {
    const { name, kind } = feature.properties ?? {};
    const id = idOf(feature);
    const corners = feature.geometry.coordinates.map((ring) => ring.map(([lon, lat]) => [lat, lon]));
    const area = L.polygon(corners, this.options("zones", `zone is-${kind}`))
      .bindPopup(() => card(String(name ?? id), [
        [word("zone.kind"), wordOr(`zone.${kind}`, kind)], [word("field.id"), id],
      ]))
      .addTo(this.zones);
    const text = String(name ?? id);
    this.remember(wordOr(`zone.${kind}`, kind), text, id, area.getBounds());
    if (kind === "restricted") {
      this.restricted.push({ name: text, rings: feature.geometry.coordinates });
    }
    const label = element("span", { className: `ground-name is-${kind}`, text });
    marker(footOf(area.getBounds()), label, { interactive: false, keyboard: false })
      .addTo(this.zones);
  }

  addMarker(feature) {
    const id = idOf(feature);
    const [lon, lat] = feature.geometry.coordinates;
    this.remember(word("layer.markers"), id, "", L.latLng(lat, lon).toBounds(60));
    const post = svg("svg", { viewBox: "0 0 12 16", width: 11, height: 15, class: "post" }, [
      svg("path", { d: "M3.5 15V4.5L6 1l2.5 3.5V15z" }), svg("path", { d: "M1 15.2h10" }),
    ]);
    const content = element("div", {
      className: "boundary", children: [post, element("span", { text: id })],
    });
    marker([lat, lon], content, { title: word("marker.title", { id }), keyboard: false })
      .bindPopup(() => card(word("marker.title", { id }), []))
      .addTo(this.markers);
  }
}

