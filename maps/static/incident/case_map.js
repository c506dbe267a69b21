// A small map of the incident: where, the ground, its tracks' last lines, the way of whoever can be first.

import { element } from "../page/element.js";
import { severitySign } from "../page/severity_sign.js";
import { may } from "../page/session.js";
import { word } from "../page/wording.js";
import { BaseMap, fetchBaseMap } from "../live/base_map.js";
import { marker } from "../live/card.js";
import { offset } from "../live/geometry.js";
import { Ground } from "../live/ground.js";

const AROUND_M = 250;
const ERROR_95 = 2.447746830680816; // half axes of 95 %, in sigmas: sqrt(-2 ln 0.05)

export class CaseMap {
  constructor(box) {
    this.map = L.map(box, {
      zoomControl: false, attributionControl: false, minZoom: 4, maxZoom: 22, zoomSnap: 0.25,
      scrollWheelZoom: false, // the page scrolls
    }).setView([0, 0], 15);
    L.control.zoom({ zoomInTitle: word("case.zoom_in"), zoomOutTitle: word("case.zoom_out") })
      .addTo(this.map);
    L.control.scale({ imperial: false }).addTo(this.map);
    this.drawn = L.layerGroup().addTo(this.map);
    this.lines = { renderer: L.svg({ padding: 0.5 }), interactive: false };
    this.ground = { trail: () => undefined, restrictedAt: () => "" }; // until it is there
    this.fitted = false;
  }

  // The sector's layers, for whom they are; without them the incident stands alone.
  async start() {
    try {
      const answer = await fetch("/api/v1/sector");
      if (!answer.ok) return;
      if (await may("see_picture")) this.base = new BaseMap(this.map, await fetchBaseMap());
      this.ground = new Ground(this.map, (await answer.json()).layers);
    } catch (error) {
      console.info("no ground:", error.message);
    }
  }

  show({ incident, alerts, tracks }) {
    this.map.invalidateSize({ animate: false }); // its box was hidden until now
    this.drawn.clearLayers();
    const at = [incident.lat, incident.lon];
    const seen = L.latLngBounds([offset(at, -AROUND_M, -AROUND_M), offset(at, AROUND_M, AROUND_M)]);
    const key = [word("case.key_here")];
    for (const track of tracks) {
      const where = [track.lat, track.lon];
      const [east, north] = track.velocity_mps;
      const error = ERROR_95 * Math.sqrt(Math.max(track.cov_m2[0], track.cov_m2[2]));
      L.circle(where, { ...this.lines, radius: error, className: "track-error" }).addTo(this.drawn);
      L.circleMarker(where, { ...this.lines, radius: 4, className: "track-dot" }).addTo(this.drawn);
      L.polyline([where, offset(where, 10 * east, 10 * north)], { ...this.lines, className: "track-way" })
        .addTo(this.drawn);
      seen.extend(where);
    }
    if (tracks.length > 0) key.push(word("case.key_tracks"));
    const [best] = alerts.findLast((one) => one.interceptions?.length)?.interceptions ?? [];
    if (best) {
      const way = best.route.coordinates.map(([lon, lat]) => [lat, lon]);
      L.polyline(way, { ...this.lines, className: "route" }).addTo(this.drawn);
      L.circleMarker([best.lat, best.lon], { ...this.lines, radius: 9, className: "route" })
        .addTo(this.drawn);
      seen.extend(way);
      key.push(word("case.key_route", { unit: best.unit_id }));
    }
    const pin = element("div", { className: "case-pin", children: [severitySign(incident.severity, 30)] });
    marker(at, pin, { keyboard: false, interactive: false, zIndexOffset: 1000 }).addTo(this.drawn);
    document.getElementById("map-key").textContent = key.join(" · ");
    if (!this.fitted) this.map.fitBounds(seen, { animate: false, maxZoom: 18, padding: [20, 20] });
    this.fitted = true; // from then on it is the reader's
  }
}
