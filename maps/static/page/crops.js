// Crops of an incident: asked for when somebody picks it, and put wherever it stands on the page.

import { element } from "./element.js";
import { ask } from "./session.js";
import { word } from "./wording.js";

const SHOWN = 4; // the incident's page shows all
const KEPT_MS = 20_000; // a crop may come some time after its alert
const ASKED_FOR = 50; // incidents whose crops are remembered
const known = new Map(); // incident id -> { at, crops }

// A place for the crops of an incident, hidden while none are known.
export function cropsPlace(incidentId) {
  const place = element("p", { className: "alert-crops" });
  place.dataset.cropsOf = incidentId;
  fill(place, known.get(incidentId)?.crops ?? []);
  return place;
}

// Ask for them, and show them in every place; what cannot be had now is asked for next time.
export async function loadCrops(incidentId) {
  if (performance.now() - (known.get(incidentId)?.at ?? -Infinity) < KEPT_MS) return;
  const answer = await ask(`/api/v1/incidents/${encodeURIComponent(incidentId)}/evidence`)
    .catch(() => null);
  if (!answer?.ok) return;
  const { evidence } = await answer.json();
  known.delete(incidentId);
  known.set(incidentId, { at: performance.now(), crops: evidence });
  if (known.size > ASKED_FOR) known.delete(known.keys().next().value);
  for (const place of document.querySelectorAll(`[data-crops-of="${CSS.escape(incidentId)}"]`)) {
    fill(place, evidence);
  }
}

function fill(place, crops) {
  place.hidden = crops.length === 0;
  place.replaceChildren(...crops.slice(-SHOWN).map((one) => element("img", {
    src: one.url, alt: `${word("alert.crop")}: ${one.device_id}`, loading: "lazy",
  })));
}
