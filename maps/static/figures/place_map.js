// A small map of where incidents are: the line, the trails, a circle for each place. No tiles.

import { element, svg } from "../page/element.js";
import { number, word } from "../page/wording.js";
import { placeText } from "./cells.js";

const WIDTH = 900;
const MARGIN = 30;
const LARGEST = 26; // px, radius
const NAMED = 8; // of the places with most

function paths(collection) {
  return (collection?.features ?? []).flatMap(({ geometry }) => {
    if (geometry.type === "LineString") return [geometry.coordinates];
    return geometry.type === "MultiLineString" ? geometry.coordinates : [];
  });
}

export function placeMap(layers, places) {
  const lines = { border: paths(layers.border), trail: paths(layers.trails) };
  const points = [...lines.border.flat(), ...lines.trail.flat(), ...places.map(({ lat, lon }) => [lon, lat])];
  if (!points.length || !places.length) return null;
  const lons = points.map(([lon]) => lon);
  const lats = points.map(([, lat]) => lat);
  const [west, east] = [least(lons), most(lons)];
  const [south, north] = [least(lats), most(lats)];
  const narrow = Math.cos(((south + north) / 2) * (Math.PI / 180));
  const scale = (WIDTH - 2 * MARGIN) / Math.max((east - west) * narrow, (north - south) * 1.6, 1e-6);
  const width = Math.max(260, (east - west) * narrow * scale + 2 * MARGIN);
  const height = (north - south) * scale + 2 * MARGIN;
  const at = ([lon, lat]) => [
    (width - (east - west) * narrow * scale) / 2 + (lon - west) * narrow * scale, MARGIN + (north - lat) * scale,
  ];
  const parts = Object.entries(lines).flatMap(([kind, its]) => its.map((line) => svg("polyline", {
    class: `place-${kind}`, points: line.map((one) => at(one).map((px) => px.toFixed(1)).join(",")).join(" "),
  })));
  const largest = most(places.map(({ incidents }) => incidents));
  const sorted = [...places].sort((a, b) => b.incidents - a.incidents);
  for (const { lat, lon, incidents, place } of sorted) {
    const [cx, cy] = at([lon, lat]);
    const r = Math.max(3, LARGEST * Math.sqrt(incidents / largest));
    const title = svg("title");
    title.textContent = `${placeText(place)}: ${number(incidents)}`;
    parts.push(svg("circle", { class: "place-circle", cx, cy, r }, [title]));
  }
  sorted.slice(0, NAMED).forEach(({ lat, lon, incidents }) => {
    const [x, y] = at([lon, lat]);
    const text = svg("text", { class: "place-count", x, y: y + 4, "text-anchor": "middle" });
    text.textContent = number(incidents);
    parts.push(text);
  });
  return element("figure", { className: "chart", children: [
    element("figcaption", { children: [
      element("strong", { text: word("figures.map") }), element("span", { text: word("figures.map_note") }),
    ] }),
    svg("svg", {
      class: "place-map", viewBox: `0 0 ${width.toFixed(0)} ${height.toFixed(0)}`, role: "img",
      "aria-label": `${word("figures.map")}. ${word("figures.map_note")}`,
    }, parts),
  ] });
}

const least = (values) => values.reduce((a, b) => Math.min(a, b));
const most = (values) => values.reduce((a, b) => Math.max(a, b));
