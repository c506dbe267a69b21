// One box that finds a marker, trail, zone, device, unit, alert, track or coordinate.

import { element } from "../page/element.js";
import { coordinateText, word } from "../page/wording.js";
import { folded, readCoordinates } from "./coordinate_reading.js";
import { marker } from "./card.js";

const MOST = 8;

export class Search {
  // `places()`: everything that can be found now, {kind, name, id, show()} each.
  constructor(map, going, places) {
    this.map = map;
    this.going = going;
    this.places = places;
    this.input = document.getElementById("search");
    this.list = document.getElementById("search-list");
    this.found = [];
    this.active = -1;
    this.input.addEventListener("input", () => this.look());
    this.input.addEventListener("focus", () => this.look());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.close());
    this.input.form.addEventListener("submit", (event) => event.preventDefault());
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  look() {
    const asked = this.input.value.trim();
    if (asked === "") return this.close();
    this.found = this.find(asked);
    this.active = this.found.length > 0 ? 0 : -1;
    this.show();
    return undefined;
  }

  find(asked) {
    const coordinates = readCoordinates(asked);
    if (coordinates !== null) {
      const { lat, lon } = coordinates;
      return [{ kind: word("search.coordinates"), name: coordinateText([lon, lat]), id: "",
        show: () => this.point([lat, lon]) }];
    }
    const words = folded(asked).split(/\s+/);
    const scored = [];
    for (const place of this.places()) {
      const text = folded(`${place.kind} ${place.name} ${place.id}`);
      if (!words.every((one) => text.includes(one))) continue;
      const exact = [place.name, place.id].some((name) => folded(name) === words.join(" "));
      const starts = [place.name, place.id].some((name) => folded(name).startsWith(words[0]));
      scored.push([exact ? 0 : starts ? 1 : 2, place]);
    }
    return scored.sort((one, other) => one[0] - other[0]).slice(0, MOST).map(([, place]) => place);
  }

  show() {
    const options = this.found.map((place, index) => {
      const option = element("li", { role: "option", id: `search-${index}`,
        "aria-selected": String(index === this.active), children: [
          element("span", { text: place.name }),
          element("span", { className: "search-kind", text: place.name === place.id || place.id === ""
            ? place.kind : `${place.kind} · ${place.id}` }),
        ] });
      option.addEventListener("mousedown", (event) => { event.preventDefault(); this.pick(index); });
      return option;
    });
    if (options.length === 0) {
      options.push(element("li", { role: "option", "aria-disabled": "true", "aria-selected": "false",
        className: "search-none", text: word("search.none") }));
    }
    this.list.replaceChildren(...options);
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    if (this.active >= 0) this.input.setAttribute("aria-activedescendant", `search-${this.active}`);
    else this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  key(event) {
    event.stopPropagation(); // what is typed here is no command
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && this.found.length > 0) {
      event.preventDefault();
      this.active = (this.active + step + this.found.length) % this.found.length;
      this.show();
    } else if (event.key === "Enter" && this.active >= 0) this.pick(this.active);
    else if (event.key === "Escape") {
      this.close();
      this.input.blur();
    }
  }

  pick(index) {
    const place = this.found[index];
    if (place === undefined) return;
    this.close();
    place.show();
  }

  // A coordinate has nothing of its own to be seen: a cross shows it until the next search.
  point(at) {
    this.cross?.remove();
    this.cross = marker(at, element("div", { className: "found" }), { interactive: false, keyboard: false })
      .addTo(this.map);
    this.going.to(at);
  }
}
