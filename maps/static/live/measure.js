// Distance and bearing along points: by clicks, or by keys with the cross in the middle of the map.

import { element } from "../page/element.js";
import { compassText, distanceText, number, word } from "../page/wording.js";
import { marker } from "./card.js";

const RADIANS = Math.PI / 180;

// Of the shortest way, clockwise from true north.
export function bearingDeg(from, to) {
  const [lat1, lat2] = [from.lat * RADIANS, to.lat * RADIANS];
  const turn = (to.lng - from.lng) * RADIANS;
  const east = Math.sin(turn) * Math.cos(lat2);
  const north = Math.cos(lat1) * Math.sin(lat2) - Math.sin(lat1) * Math.cos(lat2) * Math.cos(turn);
  return ((Math.atan2(east, north) / RADIANS) + 360) % 360;
}

export class Measure {
  constructor(map, button, output) {
    this.map = map;
    this.button = button;
    this.output = output;
    this.on = false;
    this.points = [];
    const pane = map.createPane("measure");
    pane.style.zIndex = 640;
    pane.style.pointerEvents = "none";
    this.line = L.polyline([], { renderer: L.svg({ pane: "measure" }), pane: "measure",
      interactive: false, className: "measure-line" });
    this.ends = L.layerGroup();
    this.cross = element("div", { className: "measure-cross", "aria-hidden": "true" });
    this.cross.hidden = true;
    map.getContainer().append(this.cross);
    button.addEventListener("click", () => this.toggle());
    document.addEventListener("click", (event) => this.press(event), { capture: true });
    map.getContainer().addEventListener("keydown", (event) => this.key(event));
  }

  toggle() {
    this.on = !this.on;
    this.button.setAttribute("aria-pressed", String(this.on));
    this.map.getContainer().classList.toggle("is-measuring", this.on);
    this.cross.hidden = !this.on;
    this.output.hidden = !this.on;
    this.points = [];
    this.show();
    if (this.on) {
      this.line.addTo(this.map);
      this.ends.addTo(this.map);
      this.map.getContainer().focus({ preventScroll: true });
    } else {
      this.line.remove();
      this.ends.remove();
    }
  }

  // People measure from one thing to another: a click on a marker, a device or an alert is a point,
  // and opens nothing.
  press(event) {
    const { target } = event;
    if (!this.on || event.detail === 0 || !(target instanceof Element)) return; // 0: by keyboard
    if (!this.map.getContainer().contains(target)) return;
    if (target.closest(".leaflet-control, .leaflet-popup, .no-map") || this.map.dragging.moved()) return;
    event.stopPropagation();
    this.map.getContainer().focus({ preventScroll: true }); // a marker takes the keys otherwise
    this.add(this.map.mouseEventToLatLng(event));
  }

  key(event) {
    if (!this.on || event.target !== this.map.getContainer()) return;
    if (event.key === "Enter" || event.key === " ") this.add(this.map.getCenter());
    else if (event.key === "Backspace") { this.points.pop(); this.show(); }
    else if (event.key === "Escape") this.toggle();
    else return;
    event.preventDefault();
  }

  add(at) {
    this.points.push(at.wrap());
    this.show();
  }

  show() {
    this.line.setLatLngs(this.points);
    this.ends.clearLayers();
    for (const point of this.points) {
      marker(point, element("div", { className: "measure-end" }), { interactive: false, keyboard: false, pane: "measure" })
        .addTo(this.ends);
    }
    this.output.textContent = this.text();
  }

  text() {
    if (this.points.length < 2) return word("measure.begin");
    let total = 0;
    for (let index = 1; index < this.points.length; index += 1) {
      total += this.map.distance(this.points[index - 1], this.points[index]);
    }
    const [from, to] = this.points.slice(-2);
    const bearing = bearingDeg(from, to);
    return word("measure.told", {
      total: distanceText(total), last: distanceText(this.map.distance(from, to)),
      bearing: number(Math.round(bearing) % 360), compass: compassText(bearing),
    });
  }
}
