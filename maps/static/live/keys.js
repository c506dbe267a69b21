// Keys for what is done often, and the panel that tells them.

import { element } from "../page/element.js";
import { word } from "../page/wording.js";

const TYPED_INTO = "input, textarea, select, [contenteditable]";

export class Keys {
  // `commands`: [key, words, what to do].
  constructor(commands, panel, button) {
    this.commands = new Map(commands.map(([key, , run]) => [key, run]));
    this.panel = panel;
    const rows = [...commands.map(([key, text]) => [key, text]), ["?", word("keys.help")],
      ["Tab ← →", word("keys.tracks")], ["Esc", word("keys.close")]];
    panel.querySelector("dl").append(...rows.map(([key, text]) => element("div", {
      children: [element("dt", { children: [element("kbd", { text: key })] }), element("dd", { text })],
    })));
    panel.querySelector("button").addEventListener("click", () => panel.close());
    button.addEventListener("click", () => panel.showModal());
    document.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target instanceof Element && event.target.closest(TYPED_INTO)) return;
    if (this.panel.open) return; // Escape closes it by itself
    const run = event.key === "?" ? () => this.panel.showModal()
      : this.commands.get(event.key.toLowerCase());
    if (run === undefined) return;
    event.preventDefault();
    run();
  }
}
