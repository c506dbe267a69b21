// A click on the map says where that is, in every grid that somebody may ask for.

import { element } from "../page/element.js";
import { card } from "./card.js";
import { coordinateText, word } from "../page/wording.js";

// A place in every grid, one text each; undefined if the server does not answer.
export async function written(lat, lon) {
  try {
    const answer = await fetch(`/api/v1/coordinates?lat=${lat}&lon=${lon}`);
    if (!answer.ok) return undefined;
    const { decimal, dms, mgrs, vn2000 } = await answer.json();
    return [decimal, dms, `MGRS ${mgrs}`, vn2000].filter((text) => text !== null);
  } catch (error) {
    console.info("the server does not answer", error.message);
    return undefined;
  }
}

export class CoordinatesOnClick {
  // `idle()`: whether a click means a question, and not the next point of a measurement.
  constructor(map, idle) {
    this.map = map;
    this.popup = L.popup({ className: "coordinates" });
    map.on("click", ({ latlng }) => { if (idle()) this.show(latlng); });
  }

  async show(at) {
    const { lat, lng } = at.wrap();
    this.tell(at, [coordinateText([lng, lat])]);
    const texts = await written(lat, lng);
    if (texts !== undefined && this.popup.isOpen() && this.popup.getLatLng().equals(at)) {
      this.tell(at, texts);
    }
  }

  tell(at, texts) {
    const describe = card(word("field.coordinates"), []);
    describe.append(...texts.map((text) => element("p", { className: "grid-text", text })));
    this.popup.setLatLng(at).setContent(describe);
    if (!this.popup.isOpen()) this.map.openPopup(this.popup);
  }
}
