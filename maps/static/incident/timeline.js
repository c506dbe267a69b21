// What happened, in order: alerts, what people did and why, what was refused, what the evidence said.

import { element } from "../page/element.js";
import { word, wordOr } from "../page/wording.js";
import { instant } from "./instant.js";

const roleText = (role) => wordOr(`role.${role}`, role);

function deedEntry(deed) {
  const refused = deed.result !== "applied";
  const details = [
    deed.cause ? `${word("case.cause")}: ${wordOr(`outcome.${deed.cause}`, deed.cause)}` : null,
    deed.outcome && deed.outcome !== deed.cause
      ? `${word("case.outcome")}: ${wordOr(`outcome.${deed.outcome}`, deed.outcome)}` : null,
    deed.assigned_to ? `${word("case.unit")}: ${deed.assigned_to}` : null,
    deed.rescue === true ? word("case.rescue") : null,
    deed.rescue === false ? word("case.rescue_over") : null,
  ].filter((text) => text !== null);
  return {
    at: deed.received_at, kind: refused ? "refused" : deed.verb,
    title: [wordOr(`verb.${deed.verb}`, deed.verb), refused ? word("case.refused") : null]
      .filter((text) => text !== null).join(": "),
    who: `${deed.actor} · ${roleText(deed.role)}`,
    details, said: deed.reason, why: refused ? word(`case.refused_${deed.result}`) : "",
    digest: deed.evidence_sha256,
  };
}

function entriesOf({ incident, alerts, deeds, related }) {
  const tookOver = new Set(related.filter((one) => one.relation === "took_over")
    .map((one) => one.incident_id));
  return [
    ...alerts.map((alert) => ({
      at: alert.issued_at, kind: "alert", title: word("case.alert_raised"),
      details: [wordOr(`kind.${alert.kind}`, alert.kind), alert.alert_id,
        ...(tookOver.has(alert.incident_id) ? [word("case.alert_of", { id: alert.incident_id })] : [])],
    })),
    ...deeds.map(deedEntry),
    incident.amended ? { at: incident.updated_at, kind: "amended", title: word("case.amended"),
      details: [] } : null,
    incident.ended_at ? { at: incident.ended_at, kind: "ended", title: word("case.ended"),
      details: [] } : null,
    incident.overdue ? { at: incident.overdue.since, kind: "overdue",
      title: word(`case.overdue_${incident.overdue.step}`), details: [] } : null,
  ].filter((entry) => entry !== null)
    .sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
}

export function showTimeline(file) {
  document.getElementById("timeline").replaceChildren(...entriesOf(file).map((entry) =>
    element("li", { className: `is-${entry.kind}`, children: [
      instant(entry.at),
      element("div", { children: [
        element("strong", { text: entry.title }),
        entry.who ? element("span", { className: "who", text: entry.who }) : "",
        ...entry.details.map((text) => element("span", { className: "detail", text })),
        entry.said ? element("p", { className: "said", text: entry.said }) : "",
        entry.why ? element("p", { className: "why", text: entry.why }) : "",
        entry.digest ? element("span", { className: "print-only digest",
          text: `SHA-256 ${entry.digest}` }) : "",
      ] }),
    ] })));
}
