// The list of layers: a switch and the legend in one. What was switched off here stays off.

import { element } from "../page/element.js";
import { keep, kept } from "./memory.js";

export class LayerSwitch {
  constructor(map, layers) {
    const list = document.getElementById("switch-list");
    const off = new Set((kept("layers_off") ?? "").split("|"));
    for (const { name, symbol, layer } of layers) {
      const key = symbol; // names change with the language
      const box = element("input", { type: "checkbox" });
      box.checked = !off.has(key);
      if (!box.checked) layer.remove();
      box.addEventListener("change", () => {
        if (box.checked) layer.addTo(map);
        else layer.remove();
        if (box.checked) off.delete(key);
        else off.add(key);
        keep("layers_off", [...off].join("|"));
      });
      const swatch = element("span", { className: `swatch ${symbol}`, "aria-hidden": "true" });
      const label = element("label", { children: [box, swatch, element("span", { text: name })] });
      list.append(element("li", { children: [label] }));
    }
    const panel = document.getElementById("switch");
    L.DomEvent.disableClickPropagation(panel).disableScrollPropagation(panel);
    if (window.matchMedia("(max-width: 1499px)").matches) panel.removeAttribute("open");
  }
}
