// A sound for each new alert, made by the browser itself: the more tones and the higher, the worse.
// A browser makes none until somebody has touched the page: the switch says so.

import { word } from "../page/wording.js";
import { kept, keep } from "./memory.js";

const TONES_HZ = {
  low: [440],
  medium: [523, 659],
  high: [659, 784, 988],
  critical: [988, 740, 988, 740, 988, 740],
};
const RANK = ["low", "medium", "high", "critical"];
const TONE_S = 0.16;
const LOUDNESS = 0.25;

export class AlertSound {
  constructor(button) {
    this.button = button;
    this.muted = kept("muted") === "yes";
    this.context = null; // made at the first touch: before it the browser would only complain
    this.until = 0; // when the last sound ends, by the context's clock
    this.rank = -1; // of it
    this.button.addEventListener("click", () => this.toggle());
    for (const kind of ["pointerdown", "keydown"]) {
      document.addEventListener(kind, () => this.allow(), { capture: true, passive: true });
    }
    this.show();
  }

  // The browser may still say no, and asks nobody: what it says is shown.
  async allow() {
    try {
      if (this.context === null) {
        this.context = new AudioContext();
        this.context.addEventListener("statechange", () => this.show());
      }
      if (this.context.state === "suspended") await this.context.resume();
    } catch (error) {
      console.info("no sound:", error.message);
    }
    this.show();
  }

  toggle() {
    this.muted = !this.muted;
    keep("muted", this.muted ? "yes" : "no");
    this.show();
    if (!this.muted) this.play("low");
  }

  show() {
    const name = this.muted ? "off" : this.context?.state === "running" ? "on" : "waiting";
    this.button.dataset.sound = name;
    this.button.setAttribute("aria-pressed", String(!this.muted));
    this.button.querySelector("span").textContent = word(`sound.${name}`);
  }

  play(severity) {
    if (this.muted || this.context?.state !== "running") return;
    const rank = RANK.indexOf(severity);
    const now = this.context.currentTime;
    if (now < this.until && rank <= this.rank) return; // many at once are one sound: of the worst
    const begin = Math.max(now, this.until);
    const tones = TONES_HZ[severity] ?? TONES_HZ.low;
    tones.forEach((hz, index) => this.tone(hz, begin + index * TONE_S));
    this.until = begin + tones.length * TONE_S;
    this.rank = rank;
  }

  tone(hz, at) {
    const [source, loudness] = [this.context.createOscillator(), this.context.createGain()];
    source.type = "triangle";
    source.frequency.value = hz;
    loudness.gain.setValueAtTime(0, at);
    loudness.gain.linearRampToValueAtTime(LOUDNESS, at + 0.015);
    loudness.gain.exponentialRampToValueAtTime(0.001, at + TONE_S);
    source.connect(loudness).connect(this.context.destination);
    source.start(at);
    source.stop(at + TONE_S);
  }
}
