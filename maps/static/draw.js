// The page of `tuanbien maps draw`: every feature with its name, its properties as text in a pop-up;
// what is said about the drawing (`text`, `severity`) in a list beside it.
(() => {
  "use strict";
  const layer = JSON.parse(document.getElementById("features").textContent);
  const COLOURS = ["#7fd6ff", "#f0a202", "#2fbf9b", "#c58bff", "#ff8f7a", "#f4e04d"];
  const SEVERITIES = { error: "#ff5d5d", warning: "#f4c430" };
  const NAMED_AT_MOST = 200; // more names hide the drawing
  const shown = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

  // Features of one kind get one colour.
  const kinds = new Map();
  const colour = (feature) => {
    const { kind, layer: part, severity } = feature.properties ?? {};
    if (Object.hasOwn(SEVERITIES, severity ?? "")) return SEVERITIES[severity];
    const key = shown(kind ?? part ?? feature.geometry?.type ?? "");
    if (!kinds.has(key)) kinds.set(key, COLOURS[kinds.size % COLOURS.length]);
    return kinds.get(key);
  };

  const describe = (feature) => {
    const list = document.createElement("dl");
    for (const [name, value] of Object.entries(feature.properties ?? {})) {
      const term = document.createElement("dt");
      const text = document.createElement("dd");
      term.textContent = name;
      text.textContent = shown(value);
      list.append(term, text);
    }
    if (list.childElementCount === 0) list.textContent = feature.geometry.type;
    return list;
  };

  // Names as elements: Leaflet would run a string as HTML.
  const plain = (text) => {
    const made = document.createElement("span");
    made.textContent = text;
    return made;
  };
  const nameOf = (feature) => {
    const { name, id, device, line, text } = feature.properties ?? {};
    return text === undefined ? shown(name ?? id ?? device ?? line ?? feature.id ?? "") : ""; // that is in the list
  };
  const said = layer.features.filter((feature) => feature.properties?.text !== undefined);
  const radius = (feature) => (said.includes(feature) ? 9 : 5);

  const map = L.map("map", { preferCanvas: true, attributionControl: false, maxZoom: 22 });
  L.control.scale({ imperial: false }).addTo(map);
  const places = new Map();
  let named = 0;
  const drawn = L.geoJSON(layer, {
    style: (feature) => ({ color: colour(feature), weight: 2, fillOpacity: 0.15 }),
    pointToLayer: (feature, at) => L.circleMarker(at,
      { radius: radius(feature), color: colour(feature), weight: said.includes(feature) ? 3 : 2 }),
    onEachFeature: (feature, one) => {
      places.set(feature, one.bindPopup(() => describe(feature)));
      const name = nameOf(feature);
      const arrow = feature.properties?.layer === "check"; // of home: one name for each is enough
      if (name === "" || arrow || (named += 1) > NAMED_AT_MOST) return;
      one.bindTooltip(() => plain(name), { permanent: true, direction: "right", className: "name" });
    },
  }).addTo(map);
  document.getElementById("count").textContent = `${layer.features.length}`;
  for (const [kind, its] of kinds) {
    const item = plain(kind);
    item.style.borderColor = its;
    document.getElementById("kinds").append(item);
  }

  const list = document.getElementById("said");
  list.hidden = said.length === 0;
  for (const feature of said) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = shown(feature.properties.text);
    button.style.borderColor = colour(feature);
    const place = places.get(feature);
    button.disabled = place === undefined; // it lies nowhere
    button.addEventListener("click", () => {
      const area = place.getBounds?.() ?? L.latLngBounds([place.getLatLng()]);
      map.fitBounds(area, { padding: [60, 60], maxZoom: 18 });
      place.openPopup(area.getCenter());
    });
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }

  map.invalidateSize(); // beside the list
  const bounds = drawn.getBounds();
  if (bounds.isValid()) map.fitBounds(bounds, { padding: [30, 30], maxZoom: 19 });
  else map.setView([0, 0], 2);
})();
