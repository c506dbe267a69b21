// What a cell of the figures' tables says, by what its column holds.

import { dayText, distanceText, number, setTimeZone, word, wordOr } from "../page/wording.js";

const NUMBERS = new Set(["count", "share", "rate", "seconds", "hours", "km", "metres"]);
let clock = null;

export function setZone(timeZone) {
  setTimeZone(timeZone);
  clock = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

export const isNumber = (holds) => NUMBERS.has(holds);
export const shareText = (value) => `${number(value * 100)}\u00a0%`;
export const rateText = (value) => number(value, value < 10 ? 2 : 1);
export const instantText = (text) => `${dayText(Date.parse(text))} ${clock.format(Date.parse(text))}`;

export function dateText(text) {
  const [year, month, day] = text.split("-");
  return `${day}/${month}/${year}`;
}

// Seconds, minutes, hours, days: as fine as matters.
export function waitText(seconds) {
  if (seconds < 120) return word("unit.s", { n: number(seconds) });
  if (seconds < 7200) return word("unit.min", { n: number(seconds / 60) });
  return word("unit.h", { n: number(seconds / 3600, 1) });
}

export function placeText(value) {
  if (value === null) return word("figures.place_none");
  if (typeof value === "string") return value;
  return word("figures.place_km", { km: number(value), to: number(value + 1) });
}

const TEXTS = {
  count: (value) => number(value),
  share: shareText,
  rate: rateText,
  seconds: waitText,
  hours: (value) => word("unit.h", { n: number(value, 1) }),
  km: (value) => word("unit.km", { n: number(value, 2) }),
  metres: distanceText,
  date: dateText,
  instant: instantText,
  kind: (value) => wordOr(`kind.${value}`, value),
  state: (value) => wordOr(`incident.${value}`, value),
  severity: (value) => wordOr(`severity.${value}`, value),
  overdue: (value) => wordOr(`log.overdue_${value}`, value),
  line: (value) => value || word("figures.border"), // it has no name of its own
  group: (value) => (value === "" ? word("figures.all") : wordOr(`kind.${value}`, value)),
};

export function cellText(value, holds) {
  if (holds === "place") return placeText(value);
  if (value === null) return "–";
  return TEXTS[holds]?.(value) ?? String(value);
}
