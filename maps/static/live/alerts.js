// Alerts: the list beside the map and their signs on it. Severity is colour, shape and word.

import { element, svg } from "../page/element.js";
import {
  badgesOf, factsOf, footOf, headlineOf, headsOf, placesOf, reasonsOf,
} from "../page/alert_words.js";
import { marker } from "./card.js";
import { latlng } from "./geometry.js";
import { ageText, coordinateText, momentText, number, word, wordOr } from "../page/wording.js";

const KEPT = 200; // in the list
const ON_MAP = 50;
const NEW_S = 60; // pulses so long, by the time it was issued
const REPORTED_LATE_S = 10; // when it was issued is told too, from then on
const FOCUS_ZOOM = 18;

// Viewed without colour they still differ: octagon, triangle, square, circle.
const SHAPES = {
  critical: "M7.5 1.5h9l6 6v9l-6 6h-9l-6-6v-9z",
  high: "M12 1.5 23 21.5H1z",
  medium: "M3 3h18v18H3z",
  low: "M12 2a10 10 0 1 0 .01 0z",
};

function sign(severity, size) {
  const shape = svg("path", { d: SHAPES[severity] ?? SHAPES.low });
  const stroke = svg("path", { class: "sign-mark", d: "M12 8v6M12 17.2v.4" });
  return svg("svg", {
    viewBox: "0 0 24 24", width: size, height: size, class: `sign is-${severity}`, "aria-hidden": "true",
  }, [shape, stroke]);
}

// Positive where the first is the later one, by the times that the list shows.
function compareTimes(one, other) {
  return one.raised - other.raised || one.issued - other.issued
    || (one.feature.id > other.feature.id ? 1 : -1);
}

export class AlertBoard {
  constructor(map, ground) {
    this.map = map;
    this.ground = ground;
    this.list = document.getElementById("alerts-list");
    this.none = document.getElementById("alerts-none");
    this.announcer = document.getElementById("announcer");
    this.group = L.layerGroup().addTo(map);
    this.routes = L.layerGroup().addTo(map); // of the alert that is picked
    this.drawing = { renderer: L.svg({ padding: 0.5 }), interactive: false };
    this.alerts = new Map();
    this.incidents = new Map();
    this.selected = null;
    this.zooming = false;
    map.on("zoomstart", () => { this.zooming = true; });
    map.on("zoomend", () => { this.zooming = false; });
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
    this.none.hidden = this.alerts.size > 0;
  }

  put(kind, feature, now, { fresh }) {
    if (kind === "incident") {
      this.incidents.set(feature.id, feature.properties);
      for (const alert of this.alerts.values()) {
        if (alert.about.incident_id === feature.id) this.fill(alert, now);
      }
      return;
    }
    if (this.alerts.has(feature.id)) return; // an alert is never changed
    const [lon, lat] = feature.geometry.coordinates;
    const about = { ...feature.properties, lat, lon };
    const alert = {
      feature, about, item: element("li"),
      raised: Date.parse(about.raised_at), issued: Date.parse(about.issued_at),
    };
    alert.content = element("div", { className: "alert-pin" });
    alert.pin = marker(latlng(feature), alert.content, {
      alt: headlineOf(about, this.ground), title: headlineOf(about, this.ground), zIndexOffset: 1000,
    }).on("click", () => this.select(feature.id, { fromMap: true }));
    this.alerts.set(feature.id, alert);
    this.fill(alert, now);
    this.insert(alert);
    if (fresh && this.isNew(alert, now)) this.announce(alert);
  }

  insert(alert) {
    const earlier = [...this.list.children]
      .find((item) => compareTimes(alert, this.alerts.get(item.dataset.id)) > 0);
    alert.item.dataset.id = alert.feature.id;
    this.list.insertBefore(alert.item, earlier ?? null);
    this.none.hidden = true;
    // What came last is kept and stands on the map, however long ago it happened.
    const latest = [...this.alerts.values()].sort((one, other) => other.issued - one.issued);
    latest.forEach((one, index) => {
      if (index < ON_MAP) this.group.addLayer(one.pin);
      else this.group.removeLayer(one.pin);
    });
    for (const one of latest.slice(KEPT)) this.drop("alert", one.feature.id);
  }

  withdrawn(alert) {
    return this.incidents.get(alert.about.incident_id)?.state === "withdrawn";
  }

  announce(alert) {
    const { about } = alert;
    this.announcer.textContent = word("alert.announce", {
      severity: wordOr(`severity.${about.severity}`, about.severity),
      headline: headlineOf(about, this.ground),
      people: headsOf(about),
      place: placesOf(about, this.ground)[0],
    });
  }

  fill(alert, now) {
    const { about } = alert;
    const incident = this.incidents.get(about.incident_id);
    const counted = incident ?? about; // more people, or devices, seen later amend the incident
    const seen = { ...about, devices: counted.devices };
    alert.severity = counted.severity;
    const severity = wordOr(`severity.${alert.severity}`, alert.severity);
    const badges = badgesOf(about, incident, now)
      .map(([name, text]) => element("span", { className: `badge ${name}`, text }));

    const head = element("span", { className: "alert-head", children: [
      sign(alert.severity, 22),
      element("span", { className: "alert-severity", text: severity }),
      element("time", { className: "alert-time", text: momentText(alert.raised, now),
        datetime: about.raised_at }),
    ] });
    const reported = element("span", { className: "alert-reported",
      text: word("alert.reported", { time: momentText(alert.issued, now) }) });
    reported.hidden = alert.issued - alert.raised <= REPORTED_LATE_S * 1000;
    const facts = element("span", { className: "alert-facts",
      children: factsOf(about, counted).map((text) => element("span", { text })) });
    facts.hidden = facts.childElementCount === 0;
    const places = element("span", { className: "alert-place",
      children: placesOf(about, this.ground).map((text) => element("span", { text })) });
    const button = element("button", { type: "button", className: "alert-go", children: [
      head, reported,
      element("span", { className: "alert-title", text: headlineOf(seen, this.ground) }),
      facts, places,
      element("span", { className: "badges", children: badges }),
    ] });
    button.addEventListener("click", () => this.select(alert.feature.id));
    const reasons = element("ul", { className: "alert-reasons",
      children: reasonsOf(about, this.ground).map((text) => element("li", { text })) });
    const rest = [...footOf(seen, incident, now),
      ...(alert.written ?? [coordinateText(alert.feature.geometry.coordinates)])];
    const foot = element("p", { className: "alert-foot",
      children: rest.map((text) => element("span", { text })) });
    alert.item.replaceChildren(button, reasons, foot);
    alert.content.replaceChildren(
      sign(alert.severity, 34),
      element("span", { className: "alert-pin-count", text: counted.headcount > 0 ? number(counted.headcount) : "!" }),
    );
    this.mark(alert, now);
  }

  // What is beyond the console's budget stands in the list and calls nobody.
  isNew(alert, now) {
    return now - alert.issued < NEW_S * 1000 && alert.about.grouped_with === undefined;
  }

  mark(alert, now) {
    const states = {
      "is-new": this.isNew(alert, now),
      "is-withdrawn": this.withdrawn(alert),
      "is-selected": alert.feature.id === this.selected,
    };
    alert.item.className = `alert is-${alert.severity}`;
    alert.content.className = `alert-pin is-${alert.severity}`;
    for (const [name, holds] of Object.entries(states)) {
      alert.item.classList.toggle(name, holds);
      alert.content.classList.toggle(name, holds);
    }
    alert.item.title = ageText((now - alert.raised) / 1000);
  }

  age(now) {
    this.now = now;
    for (const alert of this.alerts.values()) this.mark(alert, now);
  }

  select(id, { fromMap = false } = {}) {
    const alert = this.alerts.get(id);
    if (alert === undefined) return;
    this.selected = id;
    for (const each of this.alerts.values()) this.mark(each, this.now);
    this.writeOut(alert);
    this.showRoute(alert);
    if (fromMap) alert.item.scrollIntoView({ block: "nearest", behavior: "smooth" });
    else this.goTo(latlng(alert.feature));
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
    try {
      const answer = await fetch(`/api/v1/coordinates?lat=${lat}&lon=${lon}`);
      if (!answer.ok) return;
      const { decimal, dms, mgrs, vn2000 } = await answer.json();
      alert.written = [decimal, dms, `MGRS ${mgrs}`, vn2000].filter((text) => text !== null);
      this.fill(alert, this.now);
    } catch (error) {
      console.info("the server does not answer", error.message);
    }
  }

  goTo(at) {
    // Leaflet drops a new view while it still zooms to the last one.
    if (this.zooming) this.map.once("moveend", () => this.goTo(at));
    else this.map.setView(at, Math.max(this.map.getZoom(), FOCUS_ZOOM));
  }
}
