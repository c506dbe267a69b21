// How urgent, as a sign: viewed without colour it is still told by its shape.

import { svg } from "./element.js";

// Octagon, triangle, square, circle.
const SHAPES = {
  critical: "M7.5 1.5h9l6 6v9l-6 6h-9l-6-6v-9z",
  high: "M12 1.5 23 21.5H1z",
  medium: "M3 3h18v18H3z",
  low: "M12 2a10 10 0 1 0 .01 0z",
};

export function severitySign(severity, size) {
  return svg("svg", {
    viewBox: "0 0 24 24", width: size, height: size, class: `sign is-${severity}`, "aria-hidden": "true",
  }, [
    svg("path", { d: SHAPES[severity] ?? SHAPES.low }),
    svg("path", { class: "sign-mark", d: "M12 8v6M12 17.2v.4" }),
  ]);
}
