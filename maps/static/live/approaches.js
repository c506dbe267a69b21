// Where an approach is expected to come over the line, and when: what fusion says, on the ground.
//
//   track ●╌╌╌╌╌ along the trail of its place ╌╌╌╌╌▶ ┃ where that trail meets the border · "2 phút"
//
// The way is drawn along the trail only where fusion says that this way leads over the line
// (`predicted_exit`); else straight to the nearest point of the line, thinner: it heads there.

import { durationText, word } from "../page/wording.js";
import { element } from "../page/element.js";
import { marker } from "./card.js";

const OVERDUE_KEPT_S = 120; // drawn so long after the time that was told
const MOST = 20; // at once, and the one that is picked

export class Approaches {
  constructor(map, ground, board, tracks) {
    Object.assign(this, { map, ground, board, tracks });
    this.group = L.layerGroup().addTo(map);
    const pane = map.createPane("approaches");
    pane.style.zIndex = 415;
    pane.style.pointerEvents = "none";
    this.options = { renderer: L.svg({ pane: "approaches", padding: 0.5 }), pane: "approaches", interactive: false };
    this.shown = new Map(); // alert id: line and label
  }

  layers() {
    return [{ name: word("layer.approaches"), symbol: "of-line of-approach", layer: this.group }];
  }

  age(now) {
    const wanted = new Set(this.wanted(now).map((alert) => alert.feature.id));
    for (const [id, { line, label }] of this.shown) {
      if (wanted.has(id)) continue;
      this.group.removeLayer(line);
      this.group.removeLayer(label);
      this.shown.delete(id);
    }
    for (const id of wanted) this.show(this.board.alerts.get(id), now);
  }

  arrival({ about, raised }) {
    return about.eta_s == null ? null : raised + about.eta_s * 1000;
  }

  // Approaches that go on, the latest first; and the one that is picked, however it ended.
  wanted(now) {
    const all = [...this.board.alerts.values()].filter(({ about }) => about.kind === "approach");
    const live = all.filter((alert) => {
      const incident = this.board.incidentOf(alert);
      const over = incident?.ended_at || incident?.led_to || incident?.withdrawn
        || ["no_threat", "resolved", "closed", "withdrawn"].includes(incident?.state);
      const arrival = this.arrival(alert);
      return !over && arrival !== null && now - arrival < OVERDUE_KEPT_S * 1000;
    }).sort((one, other) => other.raised - one.raised).slice(0, MOST);
    const picked = all.find(({ feature }) => feature.id === this.board.selected);
    return picked === undefined || live.includes(picked) ? live : [...live, picked];
  }

  show(alert, now) {
    const way = this.wayOf(alert);
    if (way === null) return;
    let drawn = this.shown.get(alert.feature.id);
    if (drawn === undefined) {
      const text = element("span");
      drawn = {
        text,
        line: L.polyline([], { ...this.options, className: "approach" }),
        label: marker(way.points.at(-1), element("div", { className: "approach-end", children: [text] }), { interactive: false, keyboard: false }),
      };
      this.group.addLayer(drawn.line);
      this.group.addLayer(drawn.label);
      this.shown.set(alert.feature.id, drawn);
    }
    drawn.line.setLatLngs(way.points);
    drawn.line.getElement()?.classList.toggle("is-straight", way.straight);
    drawn.label.setLatLng(way.points.at(-1));
    const text = this.text(this.arrival(alert), now);
    if (drawn.text.textContent !== text) drawn.text.textContent = text;
  }

  text(arrival, now) {
    if (arrival === null) return word("approach.here");
    const leftS = (arrival - now) / 1000;
    return leftS > 0 ? word("approach.eta", { duration: durationText(leftS) })
      : word("approach.due", { duration: durationText(-leftS) });
  }

  // From where its track is now, or was when it was told.
  wayOf({ about }) {
    const track = about.track_ids.map((id) => this.tracks.find(id)).find((one) => one !== undefined);
    const [lon, lat] = track?.feature.geometry.coordinates ?? [about.lon, about.lat];
    const from = L.latLng(lat, lon);
    const onTrail = about.reasons.some(({ code }) => code === "predicted_exit");
    const along = onTrail ? this.ground.wayToBorder(about.place.trail_id, from) : null;
    if (along !== null) return { points: [from, ...along], straight: false };
    const nearest = this.ground.nearestOnBorder(from);
    return nearest === null ? null : { points: [from, nearest], straight: true };
  }
}
