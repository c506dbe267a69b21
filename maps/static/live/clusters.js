// Places that lie too close to be told apart at a zoom become one circle with their number.
// Cells of the screen, counted in one pass over typed arrays: cheap enough for every frame.

import { number } from "../page/wording.js";

const CELL_PX = 48;
const TO_ZOOM = 17; // from here on everything stands for itself
const FEWEST = 4; // in a cell; fewer stand side by side

export class Clusters {
  constructor() {
    this.cells = new Uint32Array(0);
    this.sums = new Float64Array(0);
  }

  // Begin a frame; says whether there is clustering at all.
  begin({ width, height, zoom, originX, originY }) {
    this.on = zoom < TO_ZOOM;
    if (!this.on) return;
    // The cells hang on the map, not on the screen: they do not dance while it is dragged.
    this.shiftX = ((originX % CELL_PX) + CELL_PX) % CELL_PX;
    this.shiftY = ((originY % CELL_PX) + CELL_PX) % CELL_PX;
    this.columns = Math.ceil((width + this.shiftX) / CELL_PX);
    const count = this.columns * Math.ceil((height + this.shiftY) / CELL_PX);
    if (this.cells.length < count) {
      this.cells = new Uint32Array(count);
      this.sums = new Float64Array(2 * count);
    }
    this.count = count;
    this.cells.fill(0, 0, count);
    this.sums.fill(0, 0, 2 * count);
  }

  cellOf(x, y) {
    return Math.floor((y + this.shiftY) / CELL_PX) * this.columns
      + Math.floor((x + this.shiftX) / CELL_PX);
  }

  add(x, y) {
    if (!this.on) return;
    const cell = this.cellOf(x, y);
    this.cells[cell] += 1;
    this.sums[2 * cell] += x;
    this.sums[2 * cell + 1] += y;
  }

  // Whether what is drawn there is part of a circle.
  holds(x, y) {
    return this.on && this.cells[this.cellOf(x, y)] >= FEWEST;
  }

  // [{x, y, count, radius}], in pixels.
  circles() {
    const found = [];
    if (!this.on) return found;
    for (let cell = 0; cell < this.count; cell += 1) {
      const count = this.cells[cell];
      if (count < FEWEST) continue;
      const radius = Math.min(22, 9 + 3 * Math.log2(count));
      found.push({
        x: this.sums[2 * cell] / count, y: this.sums[2 * cell + 1] / count, count, radius,
      });
    }
    return found;
  }

  draw(pen, circles, { panel, track, ink }) {
    pen.font = "600 12px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineWidth = 2;
    pen.strokeStyle = track;
    pen.fillStyle = panel;
    for (const { x, y, radius } of circles) {
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
    }
    pen.fillStyle = ink;
    for (const { x, y, count } of circles) pen.fillText(number(count), x, y + 0.5);
  }
}
