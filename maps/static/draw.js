// The page of `tuanbien maps draw`: every feature, its properties as text in a pop-up.
(() => {
  "use strict";
  const layer = JSON.parse(document.getElementById("features").textContent);
  const COLOURS = ["#7fd6ff", "#f0a202", "#2fbf9b", "#c58bff", "#ff8f7a", "#f4e04d"];
  const shown = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

  // Features of one kind get one colour.
  const kinds = new Map();
  const colour = (feature) => {
    const { kind, layer: part } = feature.properties ?? {};
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

  const map = L.map("map", { preferCanvas: true, attributionControl: false, maxZoom: 22 });
  L.control.scale({ imperial: false }).addTo(map);
  const drawn = L.geoJSON(layer, {
    style: (feature) => ({ color: colour(feature), weight: 2, fillOpacity: 0.15 }),
    pointToLayer: (feature, at) => L.circleMarker(at, { radius: 5, color: colour(feature), weight: 2 }),
    onEachFeature: (feature, one) => one.bindPopup(() => describe(feature)),
  }).addTo(map);
  const bounds = drawn.getBounds();
  if (bounds.isValid()) map.fitBounds(bounds, { padding: [30, 30], maxZoom: 19 });
  else map.setView([0, 0], 2);
  document.getElementById("count").textContent = `${layer.features.length}`;
})();
