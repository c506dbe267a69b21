// Who else has this incident open, and whether they are typing; says the same of us.

import { element } from "../page/element.js";
import { post } from "../page/session.js";
import { word } from "../page/wording.js";

const BEAT_MS = 10000;

export class Company {
  constructor(address) {
    this.address = `${address}/presence`;
    this.window = [...crypto.getRandomValues(new Uint8Array(8))]
      .map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this.name = null; // where there is no log-in
    this.typing = false;
    this.started = false;
    this.line = document.getElementById("present");
  }

  // Once there is an incident to be seen at.
  start() {
    if (this.started) return;
    this.started = true;
    this.beat();
    setInterval(() => this.beat(), BEAT_MS);
    window.addEventListener("pagehide", () => this.say({ here: false }));
    window.addEventListener("pageshow", ({ persisted }) => { if (persisted) this.beat(); });
  }

  setTyping(typing) {
    if (typing === this.typing) return;
    this.typing = typing;
    this.beat();
  }

  setName(name) {
    if (name === this.name) return;
    this.name = name;
    if (this.started) this.beat();
  }

  async beat() {
    const said = { typing: this.typing, ...(this.name ? { name: this.name } : {}) };
    const { ok, body } = await this.say(said); // where there is no answer, the page says so by itself
    if (ok) this.show(body.people);
  }

  // `keepalive`: it is sent also while the page goes away.
  say(said) {
    return post(this.address, { window: this.window, ...said }, { keepalive: true });
  }

  show(people) {
    const typing = new Map(); // by name: one person may have two windows
    for (const one of people) {
      if (one.window === this.window) continue;
      typing.set(one.name, one.typing || typing.get(one.name) === true);
    }
    const texts = [...typing].map(([name, types]) =>
      word(types ? "presence.typing" : "presence.here", { name }));
    if (texts.join("\n") === this.shown) return;
    this.shown = texts.join("\n");
    this.line.replaceChildren(...texts.map((text) => element("span", { text })));
  }
}
