// A share or a rate with its bounds: a bar from the one to the other, a mark at what was counted.

import { svg } from "../page/element.js";

const WIDTH = 110;
const HEIGHT = 14;

export function intervalBar({ value, low, high }, most) {
  const at = (one) => Math.max(0, Math.min(1, one / most)) * (WIDTH - 2) + 1;
  const parts = [
    svg("line", { class: "interval-axis", x1: 1, x2: WIDTH - 1, y1: HEIGHT / 2, y2: HEIGHT / 2 }),
    svg("rect", {
      class: "interval-span", x: at(low), y: 3, width: Math.max(1, at(high) - at(low)), height: 8,
    }),
  ];
  if (value !== null) {
    parts.push(svg("line", { class: "interval-mark", x1: at(value), x2: at(value), y1: 0, y2: HEIGHT }));
  }
  return svg("svg", {
    class: "interval", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true",
  }, parts);
}
