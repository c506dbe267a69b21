// Everything on the map that the search box finds, as it stands now.

import { headlineOf } from "../page/alert_words.js";
import { labelText, word } from "../page/wording.js";
import { latlng } from "./geometry.js";

// Returns a function that lists {kind, name, id, show()}.
export function findable({ going, ground, eyes, patrols, tracks, board }) {
  return function* places() {
    for (const place of ground.places) yield { ...place, show: () => going.by(place.show) };
    for (const [id, { pin }] of eyes.shown) {
      if (pin === undefined) continue; // it has not said where it stands
      yield { kind: word("search.device"), name: id, id,
        show: () => { going.to(pin.getLatLng()); pin.openPopup(); } };
    }
    for (const [id, { badge }] of patrols.shown) {
      yield { kind: word("layer.patrols"), name: id, id,
        show: () => { going.to(badge.getLatLng()); badge.openPopup(); } };
    }
    for (const [id, { about }] of board.alerts) {
      yield { kind: word("search.alert"), name: headlineOf(about, ground), id,
        show: () => board.select(id) };
    }
    for (const [id, { feature }] of tracks.shown) {
      yield { kind: word("search.track"), name: labelText(feature.properties.label), id,
        show: () => { going.to(latlng(feature)); tracks.cursor.show(id); } };
    }
  };
}
