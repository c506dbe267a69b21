// The list of layers: a switch and the legend in one.

import { element } from "../page/element.js";

export class LayerSwitch {
  constructor(map, layers) {
    const list = document.getElementById("switch-list");
    for (const { name, symbol, layer } of layers) {
      const box = element("input", { type: "checkbox" });
      box.checked = true;
      box.addEventListener("change", () => (box.checked ? layer.addTo(map) : layer.remove()));
      const swatch = element("span", { className: `swatch ${symbol}`, "aria-hidden": "true" });
      const label = element("label", { children: [box, swatch, element("span", { text: name })] });
      list.append(element("li", { children: [label] }));
    }
    const panel = document.getElementById("switch");
    L.DomEvent.disableClickPropagation(panel).disableScrollPropagation(panel);
    if (window.matchMedia("(max-width: 1499px)").matches) panel.removeAttribute("open");
  }
}
