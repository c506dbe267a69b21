// What is known about an incident: its head, what speaks for and against it, who saw what.

import { badgesOf, factsOf, headlineOf, placesOf, reasonsOf } from "../page/alert_words.js";
import { element } from "../page/element.js";
import { severitySign } from "../page/severity_sign.js";
import {
  coordinateText, durationText, momentText, number, percentText, word, wordOr,
} from "../page/wording.js";
import { instant } from "./instant.js";

const LOW = 0.8; // a likelihood below this speaks against as well
const LIKELIHOODS = new Set([
  "crossed_line", "on_trail", "predicted_exit", "in_restricted_zone", "plate_may_match",
]);
const DOUBTS = new Set([
  "inferred_in_gap", "line_undemarcated", "partial_plate", "told", "device_blurred",
]);

const textsInto = (name, texts) => document.getElementById(name)
  .replaceChildren(...texts.map((text) => element("li", { text })));

export function showHead(file, ground, now) {
  const { incident } = file;
  const alert = file.alerts.at(-1);
  const about = { reasons: [], probability: null, ...alert, ...incident };
  document.title = `${headlineOf(about, ground)} · ${document.title.split(" · ").slice(-2).join(" · ")}`;
  const severity = wordOr(`severity.${incident.severity}`, incident.severity);
  const facts = alert ? factsOf(about, incident) : [];
  const badges = badgesOf(about, incident, now)
    .map(([name, text]) => element("span", { className: `badge ${name}`, text }));
  if (incident.withdrawn || incident.state === "withdrawn") {
    badges.push(element("span", { className: "badge taken-back", text: word("case.withdrawn") }));
  }
  const rows = [
    [word("case.opened"), instant(incident.opened_at)],
    [word("case.updated"), instant(incident.updated_at)],
    incident.acted_by ? [word("case.last_step"), [
      incident.acted_by === "system" ? word("case.system") : incident.acted_by,
      ...(incident.acted_at ? [", ", instant(incident.acted_at)] : [])]] : null,
    [word("case.seen_to_by"), incident.assigned_to ?? incident.unit],
    incident.cause ? [word("case.cause"), wordOr(`outcome.${incident.cause}`, incident.cause)] : null,
    [word("case.position"), coordinateText([incident.lon, incident.lat])],
    [word("case.id"), incident.incident_id],
  ].filter((row) => row !== null && row[1]);
  document.getElementById("head").replaceChildren(
    element("div", { className: `case-severity is-${incident.severity}`, children: [
      severitySign(incident.severity, 34), element("strong", { text: severity }),
    ] }),
    element("div", { className: "case-title", children: [
      element("h2", { text: headlineOf(about, ground) }),
      element("p", { text: placesOf(about, ground).join(" · ") }),
      element("p", { text: facts.join(" · ") }),
      element("p", { className: "badges", children: badges }),
    ] }),
    element("dl", { children: rows.map(([name, value]) => element("div", { children: [
      element("dt", { text: name }),
      element("dd", { children: Array.isArray(value) ? value : [value] }),
    ] })) }),
  );
}

// What speaks for it and what against, each in words; the likelihood as it is.
export function showReasons(file, ground) {
  const { incident, alerts, held_back: heldBack } = file;
  const alert = alerts.at(-1);
  const probability = document.getElementById("probability");
  probability.hidden = !alert || ["device", "watchlist"].includes(incident.kind);
  if (!probability.hidden) {
    const sure = alert.probability >= 0.995; // "about < 1" is no number
    probability.textContent = word(sure ? "case.probability_sure" : "case.probability", {
      p: percentText(alert.probability), wrong: percentText(1 - alert.probability),
    });
  }
  const speaksFor = [];
  const against = [];
  for (const one of alerts) {
    for (const reason of one.reasons) {
      const [text] = reasonsOf({ ...one, reasons: [reason] }, ground);
      if (text === undefined) continue;
      const low = LIKELIHOODS.has(reason.code) && reason.value < LOW;
      (DOUBTS.has(reason.code) || low ? against : speaksFor).push(text);
    }
    if (one.lead?.disagrees?.length) {
      against.push(word("alert.lead_disagrees", {
        what: one.lead.disagrees.map((code) => wordOr(`lead.${code}`, code)).join(", "),
      }));
    }
    if (one.late) against.push(word("case.late"));
  }
  if (incident.withdrawn || incident.state === "withdrawn") against.push(word("case.withdrawn_why"));
  if (incident.kind !== "device" && incident.devices.length === 1) {
    against.push(word("case.single_device", { device: incident.devices[0] }));
  }
  for (const one of heldBack) {
    against.push(word("case.held_back", {
      kind: wordOr(`kind.${one.kind}`, one.kind), why: wordOr(`held.${one.reason}`, one.text),
      p: percentText(one.probability),
    }));
  }
  textsInto("speaks-for", [...new Set(speaksFor)].length ? [...new Set(speaksFor)] : [word("case.nothing")]);
  textsInto("speaks-against", against.length ? [...new Set(against)] : [word("case.nothing")]);
}

export function showEvidence({ evidence }, now) {
  document.getElementById("evidence").hidden = evidence.length === 0;
  const crops = document.getElementById("crops");
  const shown = evidence.map((one) => one.evidence_id).join(" ");
  if (crops.dataset.shown === shown) return; // a crop never changes: no flicker with every step
  crops.dataset.shown = shown;
  crops.replaceChildren(...evidence.map((one) => element("li", { children: [
    element("img", { src: one.url, alt: word("case.crop", { id: one.evidence_id }), loading: "lazy" }),
    element("span", { text: `${one.device_id} · ${momentText(Date.parse(one.captured_at), now)}` }),
  ] })));
}

export function showLineage({ incident }, now) {
  const lineage = incident.lineage ?? [];
  document.getElementById("lineage-none").hidden = lineage.length > 0;
  document.getElementById("lineage-table").hidden = lineage.length === 0;
  document.getElementById("lineage").replaceChildren(...lineage.map((one) => {
    const [from, to] = [Date.parse(one.first_seen_at), Date.parse(one.last_seen_at)];
    return element("tr", { children: [
      element("th", { scope: "row", text: one.device }),
      element("td", { text: wordOr(`sensor.${one.sensor_kind}`, one.sensor_kind) }),
      element("td", { text: `${momentText(from, now)}–${momentText(to, now)} (${durationText((to - from) / 1000)})` }),
      element("td", { className: "is-number", text: number(one.detections) }),
      element("td", { className: "is-number", text: `${percentText(one.share)}\u00a0%` }),
    ] });
  }));
}

export function showRelated({ related }, now) {
  document.getElementById("related-panel").hidden = related.length === 0;
  document.getElementById("related").replaceChildren(...related.map((one) => {
    const { relation, incident_id: id, incident } = one;
    const said = incident ? [
      wordOr(`kind.${incident.kind}`, incident.kind), momentText(Date.parse(incident.opened_at), now),
      wordOr(`incident.${incident.state}`, incident.state),
    ].join(" · ") : id;
    return element("li", { children: [
      `${word(`related.${relation}`)}: `,
      incident ? element("a", { href: `/incidents/${encodeURIComponent(id)}`, text: said }) : said,
    ] });
  }));
}
