// Alerts: the list beside the map and their signs on it.

import { headlineOf, headsOf, placesOf } from "../page/alert_words.js";
import { element } from "../page/element.js";
import { severitySign } from "../page/severity_sign.js";
import { alertCard } from "./alert_card.js";
import { marker } from "./card.js";
import { written } from "./coordinates.js";
import { latlng } from "./geometry.js";
import { Going } from "./going.js";
import { ageText, number, word, wordOr } from "../page/wording.js";

const KEPT = 200; // in the list
const ON_MAP = 50;
const NEW_S = 60; // pulses so long, by the time it was issued
const ENDED = new Set(["no_threat", "resolved", "closed", "withdrawn"]);

// Positive where the first is the later one, by the times that the list shows.
function compareTimes(one, other) {
  return one.raised - other.raised || one.issued - other.issued
    || (one.feature.id > other.feature.id ? 1 : -1);
}

export class AlertBoard {
  // `actions(alert, incident)`: what stands at a card's end; `onNew(alert, text)`: one came that is
  // to call somebody; `onChange()`: what is unread or hidden may have changed.
  constructor(map, ground, { actions = () => [], onNew = () => {}, onChange = () => {} } = {}) {
    this.map = map;
    this.ground = ground;
    Object.assign(this, { actions, onNew, onChange });
    this.list = document.getElementById("alerts-list");
    this.none = document.getElementById("alerts-none");
    this.announcer = document.getElementById("announcer");
    this.group = L.layerGroup().addTo(map);
    this.routes = L.layerGroup().addTo(map); // of the alert that is picked
    this.drawing = { renderer: L.svg({ padding: 0.5 }), interactive: false };
    this.alerts = new Map();
    this.incidents = new Map();
    this.hidden = new Set(); // severities that the list leaves out; the map leaves out none
    this.read = new Set(); // ids of alerts that were picked, or that were there when the page came
    this.selected = null;
    this.going = new Going(map);
  }

  layers() {
    return [{ name: word("layer.alerts"), symbol: "of-alert", layer: this.group }];
  }

  count() {
    return [...this.alerts.values()].filter((alert) => !this.withdrawn(alert)).length;
  }

  anySimulated() {
    return [...this.alerts.values()].some((alert) => alert.about.simulated === true);
  }

  incidentOf(alert) {
    return this.incidents.get(alert.about.incident_id);
  }

  clear() {
    this.alerts.clear();
    this.incidents.clear();
    this.list.replaceChildren();
    this.group.clearLayers();
    this.routes.clearLayers();
    this.none.hidden = false;
  }

  drop(kind, id) {
    if (kind === "incident") {
      this.incidents.delete(id);
      return;
    }
    const alert = this.alerts.get(id);
    if (alert === undefined) return;
    alert.item.remove();
    this.group.removeLayer(alert.pin);
    this.alerts.delete(id);
    this.read.delete(id);
    this.none.hidden = this.alerts.size > 0;
  }

  put(kind, feature, now, { fresh }) {
    this.now = now;
    if (kind === "incident") {
      this.incidents.set(feature.id, feature.properties);
      this.redraw(feature.id);
      return;
    }
    if (this.alerts.has(feature.id)) return; // an alert is never changed
    const [lon, lat] = feature.geometry.coordinates;
    const about = { ...feature.properties, lat, lon };
    const alert = {
      feature, about, item: element("li"),
      raised: Date.parse(about.raised_at), issued: Date.parse(about.issued_at),
    };
    alert.content = element("div");
    alert.pin = marker(latlng(feature), alert.content, {
      alt: headlineOf(about, this.ground), title: headlineOf(about, this.ground), zIndexOffset: 1000,
    }).on("click", () => this.select(feature.id, { fromMap: true }));
    this.alerts.set(feature.id, alert);
    if (!fresh) this.read.add(feature.id);
    this.fill(alert, now);
    this.insert(alert);
    if (fresh && this.isNew(alert, now)) this.announce(alert);
    this.onChange();
  }

  // The alerts of an incident anew, once it has changed or a step is under way.
  redraw(incidentId) {
    for (const alert of this.alerts.values()) {
      if (alert.about.incident_id === incidentId) this.fill(alert, this.now);
    }
    this.onChange();
  }

  insert(alert) {
    const earlier = [...this.list.children]
      .find((item) => compareTimes(alert, this.alerts.get(item.dataset.id)) > 0);
    alert.item.dataset.id = alert.feature.id;
    this.list.insertBefore(alert.item, earlier ?? null);
    this.none.hidden = true;
    if (this.settling) return; // a whole picture comes at once
    this.settling = true;
    queueMicrotask(() => this.settle());
  }

  // What came last is kept and stands on the map, however long ago it happened.
  settle() {
    this.settling = false;
    const latest = [...this.alerts.values()].sort((one, other) => other.issued - one.issued);
    latest.slice(0, ON_MAP).forEach(({ pin }) => this.group.addLayer(pin));
    latest.slice(ON_MAP).forEach(({ pin }) => this.group.removeLayer(pin));
    for (const one of latest.slice(KEPT)) this.drop("alert", one.feature.id);
  }

  withdrawn(alert) {
    return this.incidentOf(alert)?.state === "withdrawn";
  }

  announce(alert) {
    const { about } = alert;
    const text = word("alert.announce", {
      severity: wordOr(`severity.${about.severity}`, about.severity),
      headline: headlineOf(about, this.ground),
      people: headsOf(about),
      place: placesOf(about, this.ground)[0],
    });
    this.announcer.textContent = text;
    this.onNew(alert, text);
  }

  fill(alert, now) {
    const incident = this.incidentOf(alert);
    const counted = incident ?? alert.about;
    alert.severity = counted.severity;
    const focused = alert.item.contains(document.activeElement);
    alert.item.replaceChildren(...alertCard(alert, incident, {
      now,
      ground: this.ground,
      go: () => this.select(alert.feature.id),
      actions: this.actions(alert, incident),
    }));
    if (focused) alert.item.querySelector(".alert-go").focus({ preventScroll: true });
    alert.content.replaceChildren(
      severitySign(alert.severity, 34),
      element("span", { className: "alert-pin-count", text: counted.headcount > 0 ? number(counted.headcount) : "!" }),
    );
    this.mark(alert, now);
  }

  // What is beyond the console's budget stands in the list and calls nobody.
  isNew(alert, now) {
    return now - alert.issued < NEW_S * 1000 && alert.about.grouped_with === undefined;
  }

  isUnread(alert) {
    const state = this.incidentOf(alert)?.state ?? "new";
    return state === "new" && !this.read.has(alert.feature.id);
  }

  countUnread() {
    return [...this.alerts.values()].filter((alert) => this.isUnread(alert)).length;
  }

  // Leave severities out of the list; returns nothing, `countHidden` says how many that are.
  hide(severities) {
    this.hidden = severities;
    for (const alert of this.alerts.values()) this.mark(alert, this.now);
    this.onChange();
  }

  countHidden() {
    return [...this.alerts.values()].filter(({ severity }) => this.hidden.has(severity)).length;
  }

  mark(alert, now) {
    const states = [
      this.isNew(alert, now) ? " is-new" : "",
      this.withdrawn(alert) ? " is-withdrawn" : "",
      alert.feature.id === this.selected ? " is-selected" : "",
      this.isUnread(alert) ? " is-unread" : "",
      ENDED.has(this.incidentOf(alert)?.state) ? " is-ended" : "",
    ].join("");
    const look = `is-${alert.severity}${states}`;
    if (alert.look !== look) { // once a second is no reason to style the list anew
      alert.look = look;
      alert.item.className = `alert ${look}`;
      alert.content.className = `alert-pin ${look}`;
    }
    alert.item.hidden = this.hidden.has(alert.severity);
    const age = ageText((now - alert.raised) / 1000);
    if (alert.item.title !== age) alert.item.title = age;
  }

  age(now) {
    this.now = now;
    for (const alert of this.alerts.values()) this.mark(alert, now);
  }

  // The alert so many places further down the list than the one that is picked.
  step(places) {
    const ids = [...this.list.children].filter((item) => !item.hidden).map((item) => item.dataset.id);
    if (ids.length === 0) return;
    const here = ids.indexOf(this.selected);
    const next = here < 0 ? (places > 0 ? 0 : ids.length - 1)
      : Math.min(ids.length - 1, Math.max(0, here + places));
    this.select(ids[next]);
    this.alerts.get(ids[next]).item.scrollIntoView({ block: "nearest" });
  }

  select(id, { fromMap = false } = {}) {
    const alert = this.alerts.get(id);
    if (alert === undefined) return;
    this.selected = id;
    this.read.add(id);
    for (const each of this.alerts.values()) this.mark(each, this.now);
    this.writeOut(alert);
    this.showRoute(alert);
    this.onChange();
    if (fromMap) alert.item.scrollIntoView({ block: "nearest", behavior: "smooth" });
    else this.going.to(latlng(alert.feature));
  }

  // The way of the unit that can be there first, and where it meets them.
  showRoute({ about: { interceptions } }) {
    this.routes.clearLayers();
    const [best] = interceptions ?? [];
    if (best === undefined) return;
    const way = best.route.coordinates.map(([lon, lat]) => [lat, lon]);
    L.polyline(way, { ...this.drawing, className: "route" }).addTo(this.routes);
    L.circleMarker([best.lat, best.lon], { ...this.drawing, radius: 9, className: "route" })
      .addTo(this.routes);
  }

  // In the grids of the maps that a patrol carries; without an answer degrees must do.
  async writeOut(alert) {
    if (alert.written !== undefined) return;
    const [lon, lat] = alert.feature.geometry.coordinates;
    alert.written = await written(lat, lon);
    if (alert.written !== undefined) this.fill(alert, this.now);
  }
}
