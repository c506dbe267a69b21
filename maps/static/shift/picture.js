// What is handed over: what is open, what happened, which devices fail; now or as it was signed.

import { element } from "../page/element.js";
import { severitySign } from "../page/severity_sign.js";
import { clockText, dayText, number, placeTexts, word, wordOr } from "../page/wording.js";

const by = (id) => document.getElementById(id);

export function instantText(text) {
  const at = Date.parse(text);
  return `${dayText(at)} ${clockText(at)}`;
}

const counted = (head, counts) => Object.entries(counts)
  .map(([name, n]) => `${wordOr(`${head}.${name}`, name)}: ${number(n)}`).join(" · ");

export function showPicture(picture) {
  by("shift-since").textContent = word("shift.from_to",
    { since: instantText(picture.since), until: instantText(picture.until) });
  const { opened } = picture;
  const rows = [
    [word("shift.opened"), number(opened.all)],
    [word("shift.by_severity"), counted("severity", opened.severity)],
    [word("shift.by_kind"), counted("kind", opened.kind)],
    [word("shift.steps"), counted("verb", picture.steps)],
    [word("shift.open_now"), number(picture.open_total)],
    [word("shift.overdue_now"), number(picture.overdue_total)],
  ].filter(([, value]) => value !== "");
  by("counts").replaceChildren(...rows.map(([name, value]) => element("div", {
    children: [element("dt", { text: name }), element("dd", { text: value })],
  })));
  showOpen(picture);
  by("devices-none").hidden = picture.devices.length > 0;
  by("devices").replaceChildren(...picture.devices.map((device) => element("li", {
    text: [device.device_id, wordOr(`health.${device.health}`, device.health),
      device.scene && device.scene !== "clear" ? wordOr(`scene.${device.scene}`, device.scene) : null,
      word("shift.heard", { time: instantText(device.heard_at) })]
      .filter((text) => text !== null).join(" · "),
  })));
}

function showOpen({ open, open_total: total }) {
  by("open-none").hidden = open.length > 0;
  by("open-table").hidden = open.length === 0;
  by("open").replaceChildren(...open.map(openRow));
  by("open-more").hidden = total <= open.length;
  by("open-more").textContent = word("shift.more_open", { n: number(total - open.length) });
}

function openRow(incident) {
  const { note } = incident;
  const kind = wordOr(`kind.${incident.kind}`, incident.kind);
  const severity = wordOr(`severity.${incident.severity}`, incident.severity);
  const badges = [
    incident.overdue ? ["overdue", word("shift.overdue", { time: instantText(incident.overdue.since) })] : null,
    incident.rescue ? ["rescue", word("badge.rescue")] : null,
    incident.simulated ? ["simulated", word("badge.simulated")] : null,
  ].filter((badge) => badge !== null);
  return element("tr", { children: [
    element("th", { scope: "row", children: [
      severitySign(incident.severity, 18),
      element("a", { href: `/incidents/${encodeURIComponent(incident.incident_id)}`, text: `${severity} · ${kind}` }),
      element("span", { className: "place", text: placeTexts(incident.place)[0] }),
    ] }),
    element("td", { text: instantText(incident.opened_at) }),
    element("td", { children: [
      wordOr(`incident.${incident.state}`, incident.state),
      ...badges.map(([name, text]) => element("span", { className: `badge ${name}`, text })),
    ] }),
    element("td", { text: [incident.acted_by, incident.assigned_to].filter(Boolean).join(" · ") || "–" }),
    element("td", { children: note ? [
      element("span", { className: "remarks", text: note.text }),
      element("span", { className: "place", text: `${note.actor} · ${instantText(note.at)}` }),
    ] : ["–"] }),
  ] });
}
