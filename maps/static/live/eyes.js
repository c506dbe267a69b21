// Devices: where they stand, what they can see now, and whether they can be trusted.
// Blind is not quiet: an eye that is off, silent or covered leaves a hatched hole on the map.

import { element, svg } from "../page/element.js";
import { bindLiveCard, card, marker, refreshCard } from "./card.js";
import { latlng } from "./geometry.js";
import { ageText, clockText, number, word, wordOr } from "../page/wording.js";

const GLYPHS = {
  camera: "M3 7h11v10H3zM14 10.5l6-3v9l-6-3z",
  thermal: "M3 7h11v10H3zM14 10.5l6-3v9l-6-3zM8.5 9a3 3 0 1 0 .01 0z",
  drone: "M9.5 9.5h5v5h-5zM9.5 9.5 6 6M14.5 9.5 18 6M9.5 14.5 6 18M14.5 14.5 18 18M6 3.4a2.6 2.6 0 1 0 .01 0M18 3.4a2.6 2.6 0 1 0 .01 0M6 15.4a2.6 2.6 0 1 0 .01 0M18 15.4a2.6 2.6 0 1 0 .01 0",
  radar: "M4 18a12 12 0 0 1 16 0M12 17l5-9M12 14a3 3 0 1 0 .01 0",
  tip: "M12 4v10M12 18v.6",
};

export class Eyes {
  constructor(map) {
    map.createPane("views").style.zIndex = 305;
    this.renderer = L.svg({ pane: "views", padding: 0.5 });
    this.pins = L.layerGroup().addTo(map);
    this.views = L.layerGroup().addTo(map);
    this.shown = new Map();
  }

  layers() {
    return [
      { name: word("layer.devices"), symbol: "of-eye", layer: this.pins },
      { name: word("layer.views"), symbol: "of-area of-view", layer: this.views },
    ];
  }

  clear() {
    for (const id of [...this.shown.keys()]) this.drop("device", id);
  }

  drop(_, id) {
    const eye = this.shown.get(id);
    if (eye === undefined) return;
    this.pins.removeLayer(eye.pin ?? L.layerGroup());
    this.views.removeLayer(eye.view ?? L.layerGroup());
    this.shown.delete(id);
  }

  put(_, feature, now) {
    const eye = this.shown.get(feature.id) ?? {};
    const about = feature.properties;
    eye.about = about;
    eye.now = now;
    if (feature.geometry !== null) this.putPin(eye, feature);
    this.putView(eye);
    this.shown.set(feature.id, eye);
  }

  putPin(eye, feature) {
    const { about } = eye;
    const kind = about.sensor?.kind ?? "camera";
    if (eye.pin === undefined) {
      eye.box = element("div");
      eye.pin = marker(latlng(feature), eye.box, { alt: feature.id, title: feature.id });
      bindLiveCard(eye.pin, () => this.describe(eye)).addTo(this.pins);
    }
    eye.pin.setLatLng(latlng(feature));
    const look = `${kind} ${about.health} ${about.scene ?? ""}`;
    if (eye.look === look) return; // once a second is no reason to build it again
    eye.look = look;
    const glyph = svg("svg", { viewBox: "0 0 24 24", width: 20, height: 20 }, [
      svg("path", { d: GLYPHS[kind] ?? GLYPHS.camera }),
    ]);
    const texts = [element("span", { className: "eye-name", text: feature.id })];
    if (about.health !== "ok") {
      texts.push(element("span", { className: "eye-trouble", text: trouble(about) }));
    }
    eye.box.className = `eye is-${about.health}`;
    eye.box.replaceChildren(
      element("span", { className: "eye-sign", children: [glyph] }),
      element("span", { className: "eye-texts", children: texts }),
    );
  }

  putView(eye) {
    const rings = eye.about.footprint?.coordinates;
    if (rings === undefined) {
      if (eye.view !== undefined) this.views.removeLayer(eye.view);
      eye.view = undefined;
      return;
    }
    const corners = rings.map((ring) => ring.map(([lon, lat]) => [lat, lon]));
    if (eye.view === undefined) {
      eye.view = L.polygon(corners, {
        renderer: this.renderer, pane: "views", interactive: false, className: "view",
      }).addTo(this.views);
    }
    eye.view.setLatLngs(corners);
    const blind = eye.about.health !== "ok";
    // Kept in the options too: the path is made anew when the layer is switched on again.
    eye.view.options.className = `view is-${eye.about.health}`;
    eye.view.getElement()?.setAttribute("class", eye.view.options.className);
    // What it sees is filled by live.css, in the colours of the theme.
    eye.view.setStyle({ fillColor: blind ? "url(#blind)" : "", fillOpacity: blind ? 0.5 : 0.1 });
  }

  age(now) {
    for (const eye of this.shown.values()) {
      eye.now = now;
      refreshCard(eye.pin);
    }
  }

  countWell() {
    return [...this.shown.values()].filter((eye) => eye.about.health === "ok").length;
  }

  // What the devices can see, and where they stand.
  bounds() {
    const all = L.latLngBounds([]);
    for (const { pin, view } of this.shown.values()) {
      if (pin !== undefined) all.extend(pin.getLatLng());
      if (view !== undefined) all.extend(view.getBounds());
    }
    return all.isValid() ? all.pad(0.15) : all;
  }

  anySimulated() {
    return [...this.shown.values()].some((eye) => eye.about.simulated === true);
  }

  describe({ about, now }) {
    const heard = Date.parse(about.heard_at);
    const scene = about.scene ? wordOr(`scene.${about.scene}`, about.scene) : "";
    return card(about.device_id, [
      [word("field.kind"), about.sensor ? wordOr(`sensor.${about.sensor.kind}`, about.sensor.kind) : ""],
      [word("field.state"), word(`health.${about.health}`)],
      [word("field.scene"), scene],
      [word("field.heard"), `${clockText(heard)} (${ageText((now - heard) / 1000)})`],
      [word("field.fps"), about.fps === undefined ? "" : number(about.fps, 1)],
      [word("field.queue"), about.queue_depth === undefined ? "" : number(about.queue_depth)],
      [word("field.clock"), about.clock_offset_s === undefined ? ""
        : word("unit.s", { n: number(about.clock_offset_s, 1) })],
      [word("field.version"), about.version],
      [word("field.note"), about.simulated ? word("badge.simulated") : ""],
    ]);
  }
}

function trouble(about) {
  const scene = about.health === "degraded" && about.scene && about.scene !== "clear"
    ? wordOr(`scene.${about.scene}`, about.scene) : null;
  return scene ?? word(`health.${about.health}`);
}
