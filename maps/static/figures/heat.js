// How many at which place and when: numbers on one hue, in five steps that also read in grey.

import { element } from "../page/element.js";
import { number, word } from "../page/wording.js";

const LEVELS = 4;

export function levelsOf(table) {
  const most = Math.max(1, ...table.rows.flatMap((row) => row.slice(2)));
  return Math.max(LEVELS, most);
}

export const levelOf = (count, most) => (count ? Math.ceil((count * LEVELS) / most) : 0);

export function heatCell(most) {
  return (column, count) => {
    if (!/^(hour|weekday)_/.test(column)) return null;
    return element("td", {
      className: `is-number heat-${levelOf(count, most)}`, text: count ? number(count) : "·",
    });
  };
}

export function heatLegend(most) {
  const steps = Array.from({ length: LEVELS }, (_, index) => {
    const from = Math.floor((index * most) / LEVELS) + 1;
    const to = Math.floor(((index + 1) * most) / LEVELS);
    return element("span", {
      className: `heat-key heat-${index + 1}`,
      text: from >= to ? number(to) : word("figures.level", { from: number(from), to: number(to) }),
    });
  });
  return element("p", { className: "heat-legend", children: [
    element("span", { text: word("figures.level_title") }), ...steps,
  ] });
}
