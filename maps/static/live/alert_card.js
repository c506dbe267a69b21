// One alert as it stands in the list. Severity is colour, shape and word.

import { cropsPlace, loadCrops } from "../page/crops.js";
import { element } from "../page/element.js";
import {
  badgesOf, factsOf, footOf, headlineOf, placesOf, reasonsOf,
} from "../page/alert_words.js";
import { severitySign } from "../page/severity_sign.js";
import { coordinateText, momentText, word, wordOr } from "../page/wording.js";

const REPORTED_LATE_S = 10; // when it was issued is told too, from then on

const spans = (texts) => texts.map((text) => element("span", { text }));

// The parts of an alert's card; `go` is called when it is picked, `actions` stand at its end.
export function alertCard(alert, incident, { now, ground, go, actions }) {
  const { about } = alert;
  const counted = incident ?? about; // more people, or devices, seen later amend the incident
  const seen = { ...about, devices: counted.devices };
  const head = element("span", { className: "alert-head", children: [
    severitySign(alert.severity, 22),
    element("span", { className: "alert-severity",
      text: wordOr(`severity.${alert.severity}`, alert.severity) }),
    element("span", { className: "alert-unread", text: word("alert.unread") }),
    element("time", { className: "alert-time", text: momentText(alert.raised, now),
      datetime: about.raised_at }),
  ] });
  const reported = element("span", { className: "alert-reported",
    text: word("alert.reported", { time: momentText(alert.issued, now) }) });
  reported.hidden = alert.issued - alert.raised <= REPORTED_LATE_S * 1000;
  const facts = element("span", { className: "alert-facts", children: spans(factsOf(about, counted)) });
  facts.hidden = facts.childElementCount === 0;
  const badges = badgesOf(about, incident, now)
    .map(([name, text]) => element("span", { className: `badge ${name}`, text }));
  const button = element("button", { type: "button", className: "alert-go", children: [
    head, reported,
    element("span", { className: "alert-title", text: headlineOf(seen, ground) }),
    facts,
    element("span", { className: "alert-place", children: spans(placesOf(about, ground)) }),
    element("span", { className: "badges", children: badges }),
  ] });
  button.addEventListener("click", () => {
    go();
    loadCrops(about.incident_id);
  });
  const parts = [button];
  const reasons = reasonsOf(about, ground).map((text) => element("li", { text }));
  if (reasons.length > 0) {
    parts.push(element("ul", { className: "alert-reasons", children: reasons }));
  }
  parts.push(cropsPlace(about.incident_id));
  parts.push(element("p", { className: "alert-foot", children: spans([
    ...footOf(seen, incident, now),
    ...(alert.written ?? [coordinateText(alert.feature.geometry.coordinates)]),
  ]) }));
  if (actions.length > 0) parts.push(element("p", { className: "alert-actions", children: actions }));
  return parts;
}
