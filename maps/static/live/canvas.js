// A canvas over the map that is drawn anew on animation frames, and only when something changed.
//
//   map moves, data comes, colours change ── touch() ──▶ one frame ──▶ paint(pen, frame)
//
// It may take a third of the time: after a drawing that took 30 ms the next comes 60 ms later at the
// earliest, so that clicks and alerts are heard on a weak machine too.

const LEAST_MS = 30; // between two drawings
const REST_SHARE = 2; // of the time that the last drawing took

// Places on the map are kept as x and y of the web Mercator square, 0 to 1: one multiplication and
// one addition away from pixels at any zoom.
export function mercator([lat, lon]) {
  const sine = Math.sin((Math.max(-85, Math.min(85, lat)) * Math.PI) / 180);
  return { x: lon / 360 + 0.5, y: 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI) };
}

const TILE_PX = 256; // width of that square at zoom 0
const EQUATOR_M = 40075016.7;

export const MovingCanvas = L.Renderer.extend({
  // paint(pen, {scale, originX, originY, width, height, pxPerM(y)}): a place's pixel is
  // x * scale - originX; the pen's pixels are CSS pixels.
  initialize(paint, options) {
    L.setOptions(this, { padding: 0.15, ...options });
    L.Renderer.prototype.initialize.call(this, this.options);
    this.paint = paint;
    this.asked = null; // the frame that was asked for
    this.waiting = null; // the timer before it
    this.paintedAt = 0;
    this.tookMs = 0;
  },

  _initContainer() {
    this._container = L.DomUtil.create("canvas", "moving");
    this._container.setAttribute("aria-hidden", "true");
    this.pen = this._container.getContext("2d");
  },

  _destroyContainer() {
    cancelAnimationFrame(this.asked);
    clearTimeout(this.waiting);
    this.asked = null;
    this.waiting = null;
    this._container.remove();
    delete this._container;
  },

  // Called by Leaflet whenever the view was moved or its size has changed.
  _update() {
    if (this._map._animatingZoom && this._bounds) return;
    L.Renderer.prototype._update.call(this);
    const size = this._bounds.getSize();
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.origin = this._map.getPixelOrigin(); // of this view, also while the map zooms to the next
    L.DomUtil.setPosition(this._container, this._bounds.min);
    const [width, height] = [Math.round(size.x * this.ratio), Math.round(size.y * this.ratio)];
    if (this._container.width !== width || this._container.height !== height) {
      this._container.width = width;
      this._container.height = height;
      this._container.style.width = `${size.x}px`;
      this._container.style.height = `${size.y}px`;
    }
    this.draw(); // at once: an old drawing in a new place would show everything where it is not
  },

  _updatePaths() {}, // it has none

  touch() {
    if (this.asked !== null || this.waiting !== null || !this._container) return;
    const restMs = Math.max(LEAST_MS, REST_SHARE * this.tookMs);
    const waitMs = this.paintedAt + restMs - performance.now();
    if (waitMs <= 4) this.ask();
    else this.waiting = setTimeout(() => { this.waiting = null; this.ask(); }, waitMs);
  },

  ask() {
    this.asked = requestAnimationFrame(() => { this.asked = null; this.draw(); });
  },

  // Where a place is drawn, as a layer point of the map.
  frame() {
    const scale = TILE_PX * 2 ** this._zoom;
    const { origin } = this;
    const { min } = this._bounds;
    const size = this._bounds.getSize();
    return {
      scale,
      originX: origin.x + min.x,
      originY: origin.y + min.y,
      left: min.x,
      top: min.y,
      width: size.x,
      height: size.y,
      zoom: this._zoom,
      // A metre at a height of the square, in pixels: Mercator stretches by 1 / cos(latitude).
      pxPerM: (y) => (scale / EQUATOR_M) * Math.cosh(Math.PI * (1 - 2 * y)),
    };
  },

  draw() {
    if (!this._container || this._map._animatingZoom) return; // drawn when the zoom has ended
    const begun = performance.now();
    const { pen } = this;
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    const frame = this.frame();
    pen.clearRect(0, 0, frame.width, frame.height);
    this.paint(pen, frame);
    this.paintedAt = performance.now();
    this.tookMs = this.paintedAt - begun;
  },
});
