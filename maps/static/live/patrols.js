// Our own patrols: where they are, how surely, and how old that is.

import { element, svg } from "../page/element.js";
import { bindLiveCard, card, marker, refreshCard } from "./card.js";
import { latlng } from "./geometry.js";
import { ageText, clockText, coordinateText, distanceText, word } from "../page/wording.js";

const AGE_TOLD_S = 60; // beside the sign, from then on
const OLD_S = 300; // faded from then on

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
    const age = element("span", { className: "patrol-age" });
    const content = element("div", {
      className: "patrol", children: [symbol, element("span", { text: id }), age],
    });
    const patrol = {
      age,
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
    patrol.badge.setOpacity(ageS > OLD_S ? 0.5 : 1);
    patrol.age.textContent = ageS > AGE_TOLD_S ? ageText(ageS) : "";
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
