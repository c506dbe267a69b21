// Takes the map where somebody asked. Leaflet drops a new view while it still zooms to the last one;
// here whatever was asked for last comes when that is over.

const ZOOM = 18; // near enough to tell people on a trail apart

export class Going {
  constructor(map) {
    this.map = map;
    this.zooming = false;
    this.next = null;
    map.on("zoomstart", () => { this.zooming = true; });
    map.on("zoomend", () => { this.zooming = false; });
    map.on("moveend", () => {
      const { next } = this;
      if (this.zooming || next === null) return;
      this.next = null;
      next();
    });
  }

  to(at) {
    this.by(() => this.map.setView(at, Math.max(this.map.getZoom(), ZOOM)));
  }

  by(move) {
    if (this.zooming) this.next = move;
    else move();
  }
}
