// What lies under the map: tiles of a file, shaded relief, tiles of a configured address.
// Every page with a map may use it; where there is none, the graticule is the ground.

import { element } from "../page/element.js";
import { word } from "../page/wording.js";
import { PictureTiles } from "./picture_tiles.js";
import { vectorTiles } from "./vector_tiles.js";

const NOTHING = { tiles: null, hillshade: null, online: null };
const PANES = { online: 150, tiles: 160, hillshade: 170 }; // the graticule lies on 200
const ONLINE_MOST_ZOOM = 19; // farther in their tiles are enlarged

// Ask the server what there is; without an answer the graticule alone must do.
export async function fetchBaseMap() {
  try {
    const answer = await fetch("/api/v1/base-map");
    return answer.ok ? await answer.json() : NOTHING;
  } catch (error) {
    console.info("no base map:", error.message);
    return NOTHING;
  }
}

export class BaseMap {
  // `description` is what /api/v1/base-map says.
  constructor(map, description) {
    this.map = map;
    this.made = [];
    this.said = new Map(); // by pane
    if (Object.values(description).every((part) => part === null)) return;
    document.head.append(element("link", { rel: "stylesheet", href: "/static/live/base_map.css" }));
    this.note = element("p", { className: "base-map-note", role: "status" });
    this.source = element("p", { className: "base-map-source" });
    this.note.hidden = true;
    this.addBox();
    const { online, tiles, hillshade } = description;
    if (online) this.add("online", word("map.online", { host: online.host }), online, this.fromOutside(online));
    if (tiles) this.add("tiles", word("map.base"), tiles, this.fromFile(tiles, { isGround: online === null }));
    if (hillshade) this.add("hillshade", word("map.shade"), hillshade, this.shade(hillshade));
    map.on("layeradd layerremove", () => this.showSources());
    this.showSources();
  }

  // For the list of layers: {name, symbol, layer}.
  layers() {
    return this.made.map(({ name, symbol, layer }) => ({ name, symbol, layer }));
  }

  add(pane, name, { attribution = "" }, layer) {
    this.made.push({ name, symbol: `is-base-${pane}`, layer: layer.addTo(this.map), attribution, pane });
  }

  pane(name, kind) {
    const pane = this.map.createPane(`base-${name}`);
    pane.style.zIndex = PANES[name];
    pane.style.pointerEvents = "none";
    pane.classList.add("base-map", `is-${kind}`);
    return `base-${name}`;
  }

  fromFile(tiles, { isGround }) {
    const pane = this.pane("tiles", tiles.kind);
    const missing = (share) => this.tell("tiles", isGround && share > 0.5 ? word("map.no_base_here") : null);
    return tiles.kind === "vector" ? vectorTiles(tiles, { pane, missing, marksHoles: isGround })
      : new PictureTiles(tiles, { pane, missing, marksHoles: isGround });
  }

  shade(hillshade) {
    return new PictureTiles(hillshade, { pane: this.pane("hillshade", "shade") });
  }

  fromOutside(online) {
    const pane = this.pane("online", online.kind);
    const silent = (share) => this.tell("online", share > 0.5 ? word("map.online_silent", { host: online.host }) : null);
    if (online.kind === "vector") {
      const tiles = { ...online, min_zoom: 0, max_zoom: 14, bounds: null };
      return vectorTiles(tiles, { pane, missing: silent });
    }
    const layer = L.tileLayer(online.url, { pane, maxZoom: 22, maxNativeZoom: ONLINE_MOST_ZOOM });
    let [asked, failed] = [0, 0];
    layer.on("loading", () => { [asked, failed] = [0, 0]; });
    layer.on("tileloadstart", () => { asked += 1; });
    layer.on("tileerror", () => { failed += 1; });
    layer.on("load", () => silent(failed / Math.max(asked, 1)));
    return layer;
  }

  addBox() {
    const control = L.control({ position: "bottomleft" });
    control.onAdd = () => {
      const box = element("div", { className: "base-map-box", children: [this.note, this.source] });
      L.DomEvent.disableClickPropagation(box);
      return box;
    };
    control.addTo(this.map);
  }

  // Licences ask for the name of whoever made what is to be seen; plain text, whatever a file says.
  showSources() {
    const shown = this.made.filter(({ layer }) => this.map.hasLayer(layer));
    const names = shown.filter(({ attribution }) => attribution !== "")
      .map(({ pane, name, attribution }) => (pane === "online" ? `${name}, ${attribution}` : attribution));
    this.source.hidden = names.length === 0;
    this.source.textContent = names.length ? word("map.source", { names: names.join(" · ") }) : "";
    for (const { pane, layer } of this.made) if (!this.map.hasLayer(layer)) this.tell(pane, null);
  }

  // Says what a layer lacks, or takes it back; the same words again are no change.
  tell(pane, text) {
    if (text === null) this.said.delete(pane);
    else this.said.set(pane, text);
    const all = [...this.said.values()].join(" · ");
    this.note.hidden = all === "";
    if (this.note.textContent !== all) this.note.textContent = all;
  }
}
