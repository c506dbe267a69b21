// Tiles that are pictures, drawn to canvases: a missing one is cut out of the one above it.

const TILE_PX = 256;
const KEPT = 64; // pictures at hand: what fills a screen and what lies above it

function boundsOf(map, { z, x, y }) {
  const corner = (column, row) => map.unproject([column * TILE_PX, row * TILE_PX], z);
  return L.latLngBounds(corner(x, y + 1), corner(x + 1, y));
}

// Whether a file may have something there at all, by what it says of itself.
export function within(map, bounds, tile) {
  if (!bounds) return true;
  const [west, south, east, north] = bounds;
  return boundsOf(map, tile).intersects([[south, west], [north, east]]);
}

const addressOf = (url, { z, x, y }) =>
  url.replace("{z}", z).replace("{x}", x).replace("{y}", y);

// A hole shows itself (base_map.css); the share of holes is told when all are there.
export function watchHoles(layer, { missing, marksHoles }) {
  layer.on("load", () => {
    const tiles = [...(layer.getContainer()?.querySelectorAll("canvas") ?? [])];
    const holes = tiles.filter((tile) => tile.dataset.hole === "yes").length;
    missing?.(holes / Math.max(tiles.length, 1));
  });
  layer.getContainer()?.classList.toggle("marks-holes", marksHoles);
  layer.on("add", () => layer.getContainer().classList.toggle("marks-holes", marksHoles));
}

export const PictureTiles = L.GridLayer.extend({
  initialize(description, { pane, missing, marksHoles = false }) {
    L.GridLayer.prototype.initialize.call(this, {
      pane, minZoom: 0, maxZoom: 22, updateWhenZooming: false, keepBuffer: 1,
    });
    this.description = description;
    this.kept = new Map();
    watchHoles(this, { missing, marksHoles });
  },

  createTile(coords, done) {
    const sharpness = Math.min(window.devicePixelRatio || 1, 2);
    const canvas = L.DomUtil.create("canvas", "leaflet-tile");
    canvas.width = TILE_PX * sharpness;
    canvas.height = canvas.width;
    this.find(coords).then((found) => {
      canvas.dataset.hole = found === null ? "yes" : "no";
      if (found !== null) this.paint(canvas, coords, found);
      done(null, canvas);
    });
    return canvas;
  },

  paint(canvas, { x, y }, { image, up }) {
    const parts = 2 ** up;
    const [across, down] = [image.width / parts, image.height / parts];
    canvas.getContext("2d").drawImage(image, (x % parts) * across, (y % parts) * down, across, down,
      0, 0, canvas.width, canvas.height);
  },

  // The tile itself, or the nearest one above it that is there, `up` zooms away.
  async find({ x, y, z }) {
    const { min_zoom: least, max_zoom: most, bounds } = this.description;
    if (!within(this._map, bounds, { z, x, y })) return null;
    for (let up = Math.max(0, z - most); z - up >= least; up += 1) {
      const image = await this.image({ z: z - up, x: x >> up, y: y >> up });
      if (image !== null) return { image, up };
    }
    return null;
  },

  image(tile) {
    const address = addressOf(this.description.url, tile);
    const known = this.kept.get(address) ?? this.load(address);
    this.kept.delete(address);
    this.kept.set(address, known); // the last one used is the last one to go
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    return known;
  },

  async load(address) {
    try {
      const answer = await fetch(address);
      if (answer.status === 204) return null;
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      return await createImageBitmap(await answer.blob());
    } catch (error) {
      console.info(`no tile ${address}:`, error.message);
      this.kept.delete(address); // it may be there next time
      return null;
    }
  },
});
