// What is said of an alert and of its incident, in the page's language. Nothing here touches the page.

import {
  durationText, momentText, number, percentText, placeTexts, shortNumber, word, wordOr,
} from "./wording.js";

const NAMED_DEVICES = 3; // more are told as a number

export function headsOf({ headcount: n, headcount_min: low, headcount_max: high }) {
  const people = word(n === 1 ? "alert.person" : "alert.people", { n: number(n) });
  return low === high ? people
    : word("alert.people_between", { people, low: number(low), high: number(high) });
}

// What happened, and to whom or where: which way, which device, which zone.
export function headlineOf(about, ground) {
  const kind = wordOr(`kind.${about.kind}`, about.kind);
  const more = detailOf(about, ground);
  return more ? `${kind} · ${more}` : kind;
}

function detailOf(about, ground) {
  if (about.direction) return word(`direction.${about.direction}`);
  if (about.kind === "device") {
    return about.devices.length > NAMED_DEVICES
      ? word("alert.many_devices", { n: number(about.devices.length) }) : about.devices.join(", ");
  }
  return about.kind === "zone" ? ground.restrictedAt(about) : null;
}

// How many, and how sure. A device is nobody; of a vehicle on a list the score stands with the reasons.
export function factsOf(about, counted) {
  if (about.kind === "device" || about.kind === "watchlist") return [];
  return [headsOf(counted), word("alert.probability", { p: percentText(about.probability) })];
}

export function placesOf(about, ground) {
  const texts = placeTexts(about.place, ground.trail(about.place.trail_id));
  return about.kind === "device" ? texts.slice(0, 1) : texts; // a device walks no trail
}

export function reasonsOf(about, ground) {
  const counted = about.reasons.some(({ code }) => code.startsWith("group_of_")); // and more
  return about.reasons.filter(({ code }) => code !== "group" || !counted)
    .map((reason) => reasonText(reason, about, ground));
}

// Known codes in the page's language, others in fusion's own words.
function reasonText({ code, text, value }, { interceptions }, ground) {
  if (code === "interception") {
    return interceptions?.length ? interceptionText(interceptions[0], ground) : text;
  }
  const said = wordOr(`reason.${code}`, text || code);
  if (!/\{(value|percent|duration)\}/.test(said)) return said;
  if (value === null || value === undefined) return text;
  return said.replace("{value}", shortNumber(value)).replace("{percent}", percentText(value))
    .replace("{duration}", durationText(value));
}

function interceptionText({ unit_id: unit, place, eta_s: ours, they_s: theirs }, ground) {
  const [where, trail] = placeTexts(place, ground.trail(place.trail_id));
  return word("reason.interception", {
    unit, place: place.trail_id && trail ? `${where}, ${trail}` : where,
    ours: durationText(ours), theirs: durationText(theirs),
  });
}

// [class, text]: what is special about the alert, and how its incident stands.
export function badgesOf(about, incident, now) {
  const { overdue, outcome } = incident ?? {};
  return [
    about.simulated ? ["simulated", word("badge.simulated")] : null,
    incident?.rescue ? ["rescue", word("badge.rescue")] : null,
    overdue ? ["overdue", word(`overdue.${overdue.step}`,
      { time: momentText(Date.parse(overdue.since), now) })] : null,
    about.late ? ["late", word("badge.late")] : null,
    about.grouped_with ? ["grouped", word("badge.grouped")] : null,
    incident?.amended ? ["amended", word("badge.amended")] : null,
    incident?.withdrawn ? ["taken-back", word("badge.taken_back")] : null,
    incident ? [`state-${incident.state}`, wordOr(`incident.${incident.state}`, incident.state)] : null,
    outcome ? ["outcome", wordOr(`outcome.${outcome}`, outcome)] : null,
    incident?.led_to ? ["led-to", word("badge.led_to")] : null,
    incident?.ended_at ? ["ended", word("badge.ended",
      { time: momentText(Date.parse(incident.ended_at), now) })] : null,
  ].filter((badge) => badge !== null);
}

export function footOf(about, incident, now) {
  const told = new Set(about.reasons.map((reason) => reason.code));
  return [
    about.eta_s != null && !told.has("eta")
      ? word("alert.eta", { duration: durationText(about.eta_s) }) : null,
    ...(about.lead ? leadOf(about.lead) : []),
    about.devices.length ? word("alert.devices", { devices: about.devices.join(", ") }) : null,
    incident?.acted_by && incident.acted_by !== "system" ? word("incident.acted_by",
      { who: incident.acted_by, time: momentText(Date.parse(incident.acted_at), now) }) : null,
    incident?.assigned_to ? word("incident.assigned_to", { unit: incident.assigned_to }) : null,
  ].filter((text) => text !== null);
}

// A lead says what speaks for it and what against, and how often chance alone says as much.
function leadOf({ entry_id: entry, agrees, disagrees, expected_false_hits: byChance }) {
  const names = (codes) => codes.map((code) => wordOr(`lead.${code}`, code)).join(", ");
  return [
    word("alert.lead", { entry }),
    agrees.length ? word("alert.lead_agrees", { what: names(agrees) }) : null,
    disagrees.length ? word("alert.lead_disagrees", { what: names(disagrees) }) : null,
    word("alert.lead_by_chance", { n: shortNumber(byChance) }),
  ].filter((text) => text !== null);
}
