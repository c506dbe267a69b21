// The paper under the picture: a graticule that fits the zoom, its labels, a metric scale.
// It is there without any tile, so the map can be read with the network unplugged.

import { number, word } from "../page/wording.js";

const WISH_PX = 130; // between two lines
const STEPS = [1, 2, 5];

function stepFor(wishDeg) {
  const power = 10 ** Math.floor(Math.log10(wishDeg));
  const step = STEPS.find((candidate) => candidate * power >= wishDeg);
  return step === undefined ? 10 * power : step * power;
}

function lines(low, high, step) {
  const values = [];
  for (let n = Math.ceil(low / step); n * step <= high; n += 1) values.push(n * step);
  return values;
}

class Graticule {
  constructor(map) {
    this.map = map;
    const pane = map.createPane("graticule");
    pane.style.zIndex = 200;
    pane.style.pointerEvents = "none";
    this.renderer = L.svg({ pane: "graticule", padding: 0.1 });
    this.lines = L.polyline([], {
      pane: "graticule", renderer: this.renderer, interactive: false, className: "graticule",
      smoothFactor: 0,
    }).addTo(map);
    this.labels = document.createElement("div");
    this.labels.className = "graticule-labels";
    this.labels.setAttribute("aria-hidden", "true");
    map.getContainer().append(this.labels);
    map.on("moveend zoomend resize", () => this.draw());
    this.draw();
  }

  draw() {
    const bounds = this.map.getBounds();
    const size = this.map.getSize();
    const perPx = (bounds.getEast() - bounds.getWest()) / Math.max(size.x, 1);
    const step = stepFor(perPx * WISH_PX);
    if (!(step > 0 && Number.isFinite(step))) return;
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const drawn = [];
    const labels = [];
    for (const lon of lines(bounds.getWest(), bounds.getEast(), step)) {
      drawn.push([[bounds.getSouth(), lon], [bounds.getNorth(), lon]]);
      const x = this.map.latLngToContainerPoint([bounds.getSouth(), lon]).x;
      labels.push(this.label(`${number(lon, digits)}°`, { left: x, bottom: 3 }));
    }
    for (const lat of lines(bounds.getSouth(), bounds.getNorth(), step)) {
      drawn.push([[lat, bounds.getWest()], [lat, bounds.getEast()]]);
      const y = this.map.latLngToContainerPoint([lat, bounds.getWest()]).y;
      labels.push(this.label(`${number(lat, digits)}°`, { left: 4, top: y }));
    }
    this.lines.setLatLngs(drawn);
    this.labels.replaceChildren(...labels);
  }

  label(text, places) {
    const made = document.createElement("span");
    made.textContent = text;
    for (const [side, px] of Object.entries(places)) made.style[side] = `${px}px`;
    made.className = "top" in places ? "graticule-lat" : "graticule-lon";
    return made;
  }
}

// A button that shows the whole sector again.
function overviewButton(map, showAll) {
  const control = L.control({ position: "bottomright" });
  control.onAdd = () => {
    const box = L.DomUtil.create("div", "leaflet-bar overview");
    const button = L.DomUtil.create("a", "", box);
    Object.assign(button, { href: "#", title: word("map.overview"), textContent: "⤢" });
    button.setAttribute("role", "button");
    button.setAttribute("aria-label", word("map.overview"));
    L.DomEvent.disableClickPropagation(box);
    L.DomEvent.on(button, "click", (event) => { L.DomEvent.preventDefault(event); showAll(); });
    return box;
  };
  control.addTo(map);
}

export function drawBackground(map, showAll) {
  new Graticule(map);
  L.control.scale({ imperial: false, position: "bottomright", maxWidth: 140 }).addTo(map);
  L.control.zoom({
    position: "bottomright",
    zoomInTitle: word("map.zoom_in"),
    zoomOutTitle: word("map.zoom_out"),
  }).addTo(map);
  overviewButton(map, showAll);
}
