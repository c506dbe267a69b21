// Vector tiles, drawn to canvases by protomaps-leaflet: no WebGL, no fonts or signs from outside.
// The renderer is loaded only where there are such tiles.

import { watchHoles, within } from "./picture_tiles.js";
import { labelRules, paintRules } from "./vector_style.js";

const RENDERER = "/static/vendor/protomaps-leaflet/protomaps-leaflet.js";
let loading = null;

function loadRenderer() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = RENDERER;
    script.addEventListener("load", () => resolve(window.protomapsL));
    script.addEventListener("error", () => reject(new Error(`${RENDERER} cannot be loaded`)));
    document.head.append(script);
  });
  return loading;
}

// A layer that is there at once and draws as soon as it can.
export function vectorTiles(description, options) {
  const group = L.layerGroup();
  loadRenderer().then(
    (renderer) => group.addLayer(makeLayer(renderer, description, options)),
    (error) => console.error(error.message),
  );
  return group;
}

function makeLayer(renderer, description, { pane, missing, marksHoles = false }) {
  const layer = renderer.leafletLayer({
    url: description.url, pane, attribution: "", maxZoom: 22, keepBuffer: 1,
    updateWhenZooming: false, devicePixelRatio: Math.min(window.devicePixelRatio || 1, 2),
    paintRules: paintRules(renderer), labelRules: labelRules(renderer),
  });
  const holes = new Set();
  climb(renderer, layer, description, holes);
  layer.on("tileload", ({ tile, coords: { z, x, y } }) => {
    tile.dataset.hole = holes.has(`${z}/${x}/${y}`) ? "yes" : "no";
  });
  watchHoles(layer, { missing, marksHoles });
  window.addEventListener("themechange", () => {
    layer.paintRules = paintRules(renderer);
    layer.labelRules = labelRules(renderer);
    if (!layer._map) return; // drawn anew when it is switched on
    layer.clearLayout();
    layer.rerenderTiles();
  });
  return layer;
}

// Where a tile is missing, the nearest one above it is drawn, enlarged.
function climb({ View, ZxySource }, layer, { url, min_zoom: least, max_zoom: most, bounds }, holes) {
  const [view] = layer.views.values();
  const source = new ZxySource(url, false); // true: a request aborts those of other zooms
  const empty = new Map();
  view.tileCache.source = {
    get(tile, size) {
      source.zoomaborts = []; // it would keep one for each tile ever asked for
      return layer._map && !within(layer._map, bounds, tile) ? Promise.resolve(empty)
        : source.get(tile, size);
    },
  };
  view.getDisplayTile = async (tile) => {
    const key = `${tile.z}/${tile.x}/${tile.y}`;
    const { levelDiff, tileCache } = view;
    let found = null;
    holes.add(key); // until it is found: an answer that never comes is thrown from here
    for (let z = Math.min(Math.max(tile.z - levelDiff, 0), most); z >= least; z -= 1) {
      found = await new View(tileCache, z, levelDiff).getDisplayTile(tile);
      if (found.data.size > 0) {
        holes.delete(key);
        return found;
      }
    }
    return found ?? { ...view.dataTileForDisplayTile(tile), data: empty, z: tile.z };
  };
}
