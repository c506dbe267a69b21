// One incident as a row of the list. Everything is text: what a message says is never run.

import { headlineOf, headsOf } from "../page/alert_words.js";
import { element } from "../page/element.js";
import { severitySign } from "../page/severity_sign.js";
import { clockText, dayText, placeTexts, word, wordOr } from "../page/wording.js";

const SYSTEM = "system";
const NO_GROUND = { restrictedAt: () => null };

export function rowOf(incident) {
  const row = element("tr", { children: cellsOf(incident) });
  row.dataset.incident = incident.incident_id;
  row.dataset.version = JSON.stringify(incident);
  return row;
}

// Show an incident as it stands now in its row; who reads there loses neither place nor focus.
export function renew(row, incident) {
  const version = JSON.stringify(incident);
  if (row.dataset.version === version) return;
  const hadFocus = row.contains(document.activeElement);
  row.replaceChildren(...cellsOf(incident));
  row.dataset.version = version;
  if (hadFocus) row.querySelector("a").focus({ preventScroll: true });
}

function cellsOf(incident) {
  const { severity, opened_at: openedAt } = incident;
  const instant = Date.parse(openedAt);
  return [
    cell("severity", [
      element("span", { className: `list-severity is-${severity}`, children: [
        severitySign(severity, 18),
        element("span", { text: wordOr(`severity.${severity}`, severity) }),
      ] }),
    ]),
    cell("when", [element("time", {
      datetime: openedAt, text: `${dayText(instant)} ${clockText(instant)}`,
    })]),
    cell("kind", [element("a", {
      href: `/incidents/${encodeURIComponent(incident.incident_id)}`,
      text: headlineOf(incident, NO_GROUND),
    })]),
    cell("where", [placeTexts(incident.place).join(", ")]),
    cell("people", incident.kind === "device" ? [] : [headsOf(incident)]),
    cell("state", stateOf(incident)),
    cell("outcome", incident.outcome
      ? [wordOr(`outcome.${incident.outcome}`, incident.outcome)] : []),
    cell("who", [...whoOf(incident)]),
  ];
}

function cell(name, children) {
  return element("td", { className: `is-${name}`, children });
}

function stateOf({ state, overdue, simulated }) {
  const badge = (className, text) => element("span", { className: `badge ${className}`, text });
  const step = overdue && wordOr(`log.overdue_${overdue.step}`, overdue.step);
  return [
    element("span", { text: wordOr(`incident.${state}`, state) }),
    ...(overdue ? [" ", badge("overdue", `${word("log.overdue")}: ${step}`)] : []),
    ...(simulated ? [" ", badge("simulated", word("log.simulated"))] : []),
  ];
}

function* whoOf({ acted_by: actedBy, assigned_to: assignedTo, unit }) {
  if (actedBy) yield actedBy === SYSTEM ? word("log.by_itself") : actedBy;
  const owner = assignedTo ?? unit;
  if (owner) yield element("small", { text: owner });
}
