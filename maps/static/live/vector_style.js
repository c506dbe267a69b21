// How vector tiles look: quiet, in the page's own colours, by the theme that holds now.
// Layers of Protomaps' basemap and of OpenMapTiles. Only what is named here is drawn, and no
// boundary of any kind is: the border is the user's own, and tiles carry disputed lines.

const POINT = 1;
const LINE = 2;
const POLYGON = 3;
const FONT = "system-ui, \"Noto Sans\", \"DejaVu Sans\", sans-serif";
// Vietnamese first, whatever the page's language: a patrol calls a place by one name.
const NAMES = ["name:vi", "name_vi", "name", "name:latin"];

const KINDS = {
  forest: ["wood", "forest", "scrub", "mangrove"],
  field: ["farmland", "farm", "orchard", "vineyard", "grass", "grassland", "meadow", "wetland"],
  settled: ["residential", "urban_area", "industrial", "commercial", "retail"],
  river: ["river", "canal"],
  stream: ["stream", "ditch", "drain"],
  major: ["highway", "major_road", "motorway", "trunk", "primary"],
  medium: ["medium_road", "secondary", "tertiary"],
  minor: ["minor_road", "minor", "service", "other", "unclassified"],
  path: ["path", "track", "footway", "bridleway"],
  rail: ["rail", "transit"],
  town: ["city", "town", "locality"],
  village: ["village", "hamlet", "suburb", "neighbourhood", "isolated_dwelling", "quarter"],
  peak: ["peak", "volcano", "saddle"],
};

const kindOf = ({ props }) => props.kind ?? props["pmap:kind"] ?? props.class ?? "";
const named = ({ props }) => NAMES.some((name) => props[name]);

// Features of these kinds and this geometry; without kinds: all of it.
const only = (geometry, ...kinds) => {
  const wanted = new Set(kinds.flatMap((kind) => KINDS[kind]));
  return (zoom, feature) => feature.geomType === geometry
    && (wanted.size === 0 || wanted.has(kindOf(feature)));
};

// A colour part of the way from one variable of the theme to another.
function palette() {
  const style = getComputedStyle(document.documentElement);
  const parts = (name) => {
    const hex = style.getPropertyValue(name).trim();
    return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  };
  const ground = parts("--ground");
  return (name, share) => {
    const mixed = parts(name).map((value, at) => Math.round(ground[at] + (value - ground[at]) * share));
    return `rgb(${mixed.join(",")})`;
  };
}

export function paintRules({ PolygonSymbolizer, LineSymbolizer, exp }) {
  const colour = palette();
  const area = (dataLayer, filter, fill, minzoom = 0) =>
    ({ dataLayer, filter, minzoom, symbolizer: new PolygonSymbolizer({ fill, perFeature: true }) });
  const line = (dataLayer, filter, options, minzoom = 0) =>
    ({ dataLayer, filter, minzoom, symbolizer: new LineSymbolizer({ lineCap: "round", lineJoin: "round", ...options }) });
  const growing = (from, to) => exp(1.6, [[10, from], [18, to]]);
  const both = (names, rule) => names.map(rule);

  const water = colour("--own", 0.22);
  const road = {
    minor: colour("--ink-soft", 0.3), medium: colour("--ink-soft", 0.42), major: colour("--ink-soft", 0.55),
  };
  const cover = ["landcover", "landuse", "natural"];
  return [
    ...both(cover, (layer) => area(layer, only(POLYGON, "field"), colour("--trail", 0.08))),
    ...both(cover, (layer) => area(layer, only(POLYGON, "forest"), colour("--ok", 0.13))),
    ...both(cover, (layer) => area(layer, only(POLYGON, "settled"), colour("--ink-faint", 0.14))),
    ...both(["contour", "contours"], (layer) =>
      line(layer, only(LINE), { color: colour("--trail", 0.28), width: 0.7 }, 12)),
    area("water", only(POLYGON), water),
    ...both(["water", "waterway"], (layer) =>
      line(layer, only(LINE, "river"), { color: water, width: growing(1, 7) }, 8)),
    ...both(["water", "waterway"], (layer) =>
      line(layer, only(LINE, "stream"), { color: water, width: growing(0.5, 3) }, 12)),
    ...both(["buildings", "building"], (layer) =>
      area(layer, only(POLYGON), colour("--ink-faint", 0.26), 14)),
    ...both(["roads", "transportation"], (layer) =>
      line(layer, only(LINE, "path"), { color: colour("--trail", 0.5), width: growing(0.6, 2), dash: [3, 3] }, 12)),
    ...both(["roads", "transportation"], (layer) =>
      line(layer, only(LINE, "rail"), { color: colour("--ink-faint", 0.5), width: growing(0.8, 2), dash: [6, 3] }, 10)),
    ...["minor", "medium", "major"].flatMap((kind, rank) => both(["roads", "transportation"], (layer) =>
      line(layer, only(LINE, kind), { color: road[kind], width: growing(0.5 + rank * 0.5, 5 + rank * 3) }, 11 - 2 * rank))),
  ];
}

export function labelRules({ CenteredTextSymbolizer, LineLabelSymbolizer }) {
  const colour = palette();
  const halo = { stroke: colour("--ground", 1), width: 3, labelProps: NAMES };
  const places = (size, weight) => new CenteredTextSymbolizer({
    ...halo, fill: colour("--ink-soft", 1), font: `${weight} ${size}px ${FONT}`,
  });
  const along = (size, name) => new LineLabelSymbolizer({
    ...halo, fill: colour(name, 0.85), font: `400 ${size}px ${FONT}`,
  });
  const rule = (dataLayer, keep, symbolizer, minzoom) => ({
    dataLayer, symbolizer, minzoom, filter: (zoom, feature) => named(feature) && keep(zoom, feature),
  });
  return [
    ...["places", "place"].map((layer) => rule(layer, only(POINT, "town"), places(13, 600), 7)),
    ...["places", "place"].map((layer) => rule(layer, only(POINT, "village"), places(12, 500), 11)),
    ...["pois", "mountain_peak"].map((layer) => rule(layer, only(POINT, "peak"), places(11, 400), 11)),
    ...["water", "waterway"].map((layer) => rule(layer, only(LINE, "river", "stream"), along(11, "--own"), 12)),
    ...["roads", "transportation_name"].map((layer) =>
      rule(layer, only(LINE, "major", "medium"), along(11, "--ink-soft"), 13)),
  ];
}
