// The slider: how many tracks there were when, alerts, and gaps in which nobody followed.

import { svg } from "../page/element.js";
import { clockText, dayText } from "../page/wording.js";

const WIDTH = 1000; // of the drawing; the page stretches it
const HEIGHT = 40;

export class Timeline {
  // `chosen(instant)`: somebody moved the slider there.
  constructor(chosen) {
    this.slider = document.getElementById("slider");
    this.cursor = document.getElementById("timeline-at");
    document.getElementById("timeline").setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.slider.addEventListener("input", () => chosen(this.since + Number(this.slider.value) * 1000));
    this.since = 0;
    this.until = 1;
    this.alerts = [];
    this.gaps = [];
  }

  place(instant) {
    return Math.min(WIDTH, Math.max(0, ((instant - this.since) / (this.until - this.since)) * WIDTH));
  }

  draw({ bins, alerts, gaps }, since, until) {
    this.since = since;
    this.until = until;
    this.alerts = alerts.map((alert) => ({ ...alert, time: Date.parse(alert.issued_at) }));
    this.gaps = gaps.map((gap) => gap.map(Date.parse));
    this.slider.max = String(Math.round((until - since) / 1000));
    const most = Math.max(1, ...bins);
    const width = WIDTH / bins.length;
    this.fill("timeline-bins", bins.map((count, index) => svg("rect", {
      class: "timeline-bin", x: index * width, width,
      y: HEIGHT - (count / most) * (HEIGHT - 12), height: (count / most) * (HEIGHT - 12),
    })));
    this.fill("timeline-gaps", this.gaps.map(([begin, end]) => svg("rect", {
      class: "timeline-gap", x: this.place(begin), y: 0, height: HEIGHT,
      width: Math.max(2, this.place(end) - this.place(begin)),
    })));
    // Severity is the height of the mark too: colour alone tells nothing.
    const heights = { critical: 36, high: 28, medium: 20, low: 12 };
    this.fill("timeline-alerts", this.alerts.map(({ time, severity }) => svg("rect", {
      class: `timeline-alert is-${severity}`, x: this.place(time) - 1.5, y: 0, width: 3,
      height: heights[severity] ?? heights.low,
    })));
  }

  fill(id, children) {
    document.getElementById(id).replaceChildren(...children);
  }

  show(instant) {
    const at = String(Math.round((instant - this.since) / 1000));
    if (this.slider.value !== at) this.slider.value = at;
    this.slider.setAttribute("aria-valuetext", `${dayText(instant)} ${clockText(instant)}`);
    this.cursor.setAttribute("x1", this.place(instant));
    this.cursor.setAttribute("x2", this.place(instant));
  }

  inGap(instant) {
    return this.gaps.some(([begin, end]) => begin <= instant && instant < end);
  }

  // The alert next to an instant, before or after it.
  next(instant, direction) {
    const beyond = this.alerts.filter(({ time }) => direction * (time - instant) > 500);
    return direction > 0 ? beyond[0] : beyond.at(-1);
  }
}
