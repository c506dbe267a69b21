// Cards and markers on the map.

import { element } from "../page/element.js";

// A title and rows of [name, value]; empty values are left out.
export function card(title, rows) {
  const list = element("dl");
  for (const [name, value] of rows) {
    if (value === null || value === undefined || value === "") continue;
    list.append(element("div", {
      children: [element("dt", { text: name }), element("dd", { text: value })],
    }));
  }
  return element("div", { className: "card", children: [element("h3", { text: title }), list] });
}

// A pop-up whose text is asked for anew while it is open. It moves with its marker; the map follows
// it when it opens and not afterwards, or it would take the map out of the reader's hands.
export function bindLiveCard(pin, describe) {
  pin.bindPopup(describe);
  pin.on("popupopen", ({ popup }) => { popup.options.autoPan = false; });
  pin.on("popupclose", ({ popup }) => { popup.options.autoPan = true; });
  return pin;
}

export function refreshCard(pin) {
  if (pin?.isPopupOpen()) pin.getPopup().update();
}

// A map marker made of page elements. The icon's box has no size: its content centres itself.
export function marker(latlng, content, options = {}) {
  const icon = L.divIcon({ html: content, className: "pin", iconSize: [0, 0] });
  return L.marker(latlng, { icon, ...options });
}
