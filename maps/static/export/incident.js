// The map of an exported incident. A plain script: the page lies on a stick, where no module loads.
(() => {
  "use strict";
  const drawing = JSON.parse(document.getElementById("features").textContent);
  const LOOKS = { // colours that the colour-blind can tell, and shapes besides: see incident.css
    border: { color: "#b3261e", weight: 4 },
    zones: { color: "#7a5c00", weight: 1, dashArray: "2 4", fillOpacity: 0.12 },
    trails: { color: "#5f6b76", weight: 2, dashArray: "6 5" },
    markers: { color: "#1f2933", weight: 1, radius: 3, fillOpacity: 1 },
    way: { color: "#0b5cad", weight: 3 },
    track: { color: "#0b5cad", weight: 2, radius: 5, fillOpacity: 0.4 },
    alert: { color: "#a8480b", weight: 3, radius: 9, fillOpacity: 0 },
    incident: { color: "#1f2933", weight: 2, radius: 13, fillOpacity: 0, dashArray: "3 3" },
  };
  const language = () => document.querySelector("input[name=language]:checked").value;
  const look = (feature) => LOOKS[feature.properties.kind];

  // An element: Leaflet would run a string as HTML.
  const describe = (feature) => {
    const made = document.createElement("span");
    made.textContent = feature.properties.name[language()];
    return made;
  };
  const map = L.map("map", { preferCanvas: true, attributionControl: false, maxZoom: 22 });
  L.control.scale({ imperial: false }).addTo(map);
  const happened = L.featureGroup();
  L.geoJSON(drawing, {
    style: look,
    pointToLayer: (feature, at) => L.circleMarker(at, look(feature)),
    onEachFeature: (feature, one) => {
      if (feature.properties.name[language()] !== "") one.bindPopup(() => describe(feature));
      if (["way", "track", "alert", "incident"].includes(feature.properties.kind)) happened.addLayer(one);
    },
  }).addTo(map);
  const show = () => {
    document.documentElement.lang = language();
    map.closePopup();
  };
  for (const input of document.querySelectorAll("input[name=language]")) input.addEventListener("change", show);
  map.fitBounds(happened.getBounds(), { padding: [40, 40], maxZoom: 17 });
})();
