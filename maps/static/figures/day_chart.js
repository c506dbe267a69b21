// A chart by day: lines with marks, and lines to hold them to. Its numbers are in the table below it.

import { element, svg } from "../page/element.js";
import { number, word } from "../page/wording.js";
import { dateText } from "./cells.js";

const HEIGHT = 190;
const LEFT = 64;
const RIGHT = 10;
const TOP = 12;
const BOTTOM = 26;
const LEAST_PX = 74; // between two days that are named
const MARKS = ["circle", "square"]; // told apart without colour

// `series`: [{name, values}], a value for each of `days` or null; `limits`: [{value, text}];
// `steps`: where the axis may end, for what is no plain number.
export function dayChart({ title, days, series, limits = [], format = number, steps = [] }) {
  const frame = element("div", { className: "chart-frame" });
  const figure = element("figure", { className: "chart", children: [
    element("figcaption", { children: [
      element("strong", { text: title }),
      ...(series.length > 1 ? series.map(({ name }, index) => legend(name, index)) : []),
      element("span", { className: "unseen", text: word("figures.chart_note") }),
    ] }),
    frame,
  ] });
  const draw = () => frame.replaceChildren(drawn(Math.max(280, frame.clientWidth || 280),
    { title, days, series, limits, format, steps }));
  new ResizeObserver(draw).observe(frame);
  return figure;
}

function legend(name, index) {
  const sign = svg("svg", { width: 26, height: 12, viewBox: "0 0 26 12", "aria-hidden": "true" }, [
    svg("line", { class: `chart-line is-${index}`, x1: 0, x2: 26, y1: 6, y2: 6 }), mark(index, 13, 6),
  ]);
  return element("span", { className: "chart-legend", children: [sign, element("span", { text: name })] });
}

function mark(index, x, y) {
  const shape = MARKS[index % MARKS.length];
  return shape === "circle" ? svg("circle", { class: `chart-mark is-${index}`, cx: x, cy: y, r: 2.6 })
    : svg("rect", { class: `chart-mark is-${index}`, x: x - 2.5, y: y - 2.5, width: 5, height: 5 });
}

function drawn(width, { title, days, series, limits, format, steps }) {
  const all = [...series.flatMap(({ values }) => values.filter((one) => one !== null)),
    ...limits.map(({ value }) => value)];
  const most = Math.max(1, ...all);
  const top = steps.find((step) => step >= most) ?? niceTop(most);
  const x = (index) => LEFT + (days.length > 1 ? index / (days.length - 1) : 0.5) * (width - LEFT - RIGHT);
  const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const parts = [0, top / 2, top].flatMap((value) => [
    svg("line", { class: "chart-grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
    label(format(value), LEFT - 6, y(value) + 4, "end"),
  ]);
  const every = Math.max(1, Math.ceil(days.length / Math.max(1, Math.floor((width - LEFT) / LEAST_PX))));
  days.forEach((day, index) => {
    if (index % every) return;
    const anchor = index === 0 && days.length > 1 ? "start" : x(index) > width - 40 ? "end" : "middle";
    parts.push(label(dateText(day).slice(0, 5), x(index), HEIGHT - 8, anchor));
  });
  for (const { value, text } of limits) {
    parts.push(svg("line", { class: "chart-limit", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    parts.push(label(text, width - RIGHT, y(value) - 4, "end"));
  }
  series.forEach(({ values }, index) => {
    let path = "";
    let isOn = false;
    values.forEach((value, day) => {
      if (value !== null) path += `${isOn ? "L" : "M"}${x(day).toFixed(1)} ${y(value).toFixed(1)}`;
      isOn = value !== null;
    });
    parts.push(svg("path", { class: `chart-line is-${index}`, d: path || "M0 0" }));
    if (days.length <= 120) {
      values.forEach((value, day) => value !== null && parts.push(mark(index, x(day), y(value))));
    }
  });
  return svg("svg", {
    class: "chart-drawing", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`,
    role: "img", "aria-label": `${title}. ${word("figures.chart_note")}`,
  }, parts);
}

function label(text, x, y, anchor) {
  const made = svg("text", { class: "chart-label", x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}

// So that its half is a round number too.
function niceTop(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [2, 4, 6, 10].map((times) => times * power).find((top) => top >= most);
}
