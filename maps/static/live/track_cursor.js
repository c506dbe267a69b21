// What a canvas lacks: something to point at, to reach by keyboard and to read out. One button that
// stands on the track that is pointed at; Tab reaches it, the arrows take it to the next track.

import { element } from "../page/element.js";
import { marker } from "./card.js";

const REACH_PX = 12;
const FINGER_PX = 22;
const NEXT_KEYS = new Set(["ArrowRight", "ArrowDown"]);
const BACK_KEYS = new Set(["ArrowLeft", "ArrowUp"]);

export class TrackCursor {
  constructor(map, tracks) {
    this.map = map;
    this.tracks = tracks;
    this.on = null; // the id of the track it stands on
    this.open = null; // the id of the track whose card is open
    this.button = element("button", { type: "button", className: "track-cursor" });
    this.button.hidden = true;
    this.pin = marker([0, 0], this.button, { keyboard: false, interactive: false, zIndexOffset: 300 });
    this.pin.addTo(map);
    this.popup = L.popup({ offset: [0, -6] }).setContent(() => this.tracks.describe(this.openTrack));
    map.on("popupclose", ({ popup }) => { if (popup === this.popup) this.open = null; });
    this.button.addEventListener("click", (event) => {
      event.stopPropagation(); // to the map it would be a click beside everything
      this.show(this.on);
    });
    this.button.addEventListener("focus", () => { this.focused = true; });
    this.button.addEventListener("blur", () => { this.focused = false; });
    this.button.addEventListener("keydown", (event) => this.walk(event));
    const container = map.getContainer();
    container.addEventListener("pointermove", (event) => this.point(event), { passive: true });
    container.addEventListener("click", (event) => this.press(event), { capture: true });
  }

  leave() {
    this.on = null;
    this.button.hidden = true;
    if (this.open !== null) this.map.closePopup(this.popup);
  }

  onGround(event) {
    return event.target instanceof Element
      && event.target.closest(".leaflet-marker-pane, .leaflet-popup-pane, .leaflet-control, .no-map") === null;
  }

  at(event) {
    return this.map.mouseEventToLayerPoint(event);
  }

  point(event) {
    if (this.focused || event.buttons !== 0 || event.pointerType === "touch") return;
    if (!this.onGround(event) && event.target !== this.button) return;
    this.stand(this.tracks.nearest(this.at(event), REACH_PX));
  }

  // Tracks lie on trails: a click means what is seen on top, not the wide unseen line below it.
  press(event) {
    if (!this.onGround(event) || this.map.dragging.moved()) return;
    const circle = this.tracks.circleAt(this.at(event));
    const track = this.tracks.nearest(this.at(event), event.pointerType === "touch" ? FINGER_PX : REACH_PX);
    if (track === null && circle === undefined) return;
    event.stopPropagation();
    if (track !== null) this.show(track.id);
    else this.map.setZoomAround(this.map.mouseEventToLatLng(event), this.map.getZoom() + 2);
  }

  stand(track) {
    this.on = track?.id ?? null;
    // It hides only where it is not in use: a button that vanishes loses the focus.
    this.refresh();
    this.follow();
  }

  walk(event) {
    const forward = NEXT_KEYS.has(event.key);
    if (!forward && !BACK_KEYS.has(event.key)) return;
    event.preventDefault();
    event.stopPropagation(); // the map would move
    const view = this.map.getBounds();
    const all = this.tracks.drawn
      .filter((one) => view.contains(placeOf(one)))
      .sort((one, other) => one.px - other.px || one.py - other.py);
    if (all.length === 0) return;
    const here = all.findIndex((one) => one.id === this.on);
    const next = here < 0 ? 0 : (here + (forward ? 1 : -1) + all.length) % all.length;
    this.stand(all[next]);
  }

  show(id) {
    const track = this.tracks.find(id);
    if (track === undefined) return;
    this.open = id;
    this.openTrack = track;
    this.popup.options.autoPan = true; // once: later it would take the map out of the reader's hands
    this.popup.setLatLng(placeOf(track));
    this.map.openPopup(this.popup);
    this.popup.options.autoPan = false;
  }

  // Words that grow old; once a second.
  refresh() {
    if (this.on === null && !this.focused) this.offerFirst();
    const track = this.on === null ? undefined : this.tracks.find(this.on);
    this.button.hidden = track === undefined;
    if (track !== undefined) {
      const text = this.tracks.tell(track);
      this.button.title = text;
      this.button.setAttribute("aria-label", text);
    }
    if (this.open !== null) this.popup.update();
  }

  // So that the keyboard finds a track: the one nearest to the middle.
  offerFirst() {
    const middle = this.map.containerPointToLayerPoint(this.map.getSize().divideBy(2));
    this.on = this.tracks.nearest(middle, this.map.getSize().x / 2)?.id ?? null;
  }

  // Places that move; with every frame.
  follow() {
    const under = this.on === null ? undefined : this.tracks.shown.get(this.on);
    if (under === undefined) this.on = null;
    else this.pin.setLatLng(placeOf(under));
    if (this.open === null) return;
    const told = this.tracks.shown.get(this.open);
    if (told !== undefined) this.popup.setLatLng(placeOf(told));
  }
}

const placeOf = ({ feature: { geometry: { coordinates: [lon, lat] } } }) => [lat, lon];
