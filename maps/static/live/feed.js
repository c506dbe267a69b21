// Snapshot, then events. Knows whether what the map shows is live, and says so within seconds.

import { ask } from "../page/session.js";

const SILENT_MS = 10000; // the server beats every 5 s
const CANARY_LATE_S = 180; // one passes through the whole chain every minute
const RETRY_MS = 2000;
const ANSWER_WITHIN_MS = 10000; // a connection half dead would else hold the page for ever
const KINDS = ["track", "alert", "incident", "device", "patrol"];

export class Feed {
  constructor(on) {
    this.on = on;
    this.source = null;
    this.heardAt = null; // performance.now() of the last word from the server
    this.beat = null;
    this.beatAt = null;
    this.fusionAt = null; // performance.now() when fusion last said how it is
    this.fusionOnline = false;
    // What is added to performance.now(), which nobody can put wrong, ms: to get the sector's time
    // (exercises run at another), and the time of the server's machine.
    this.sectorEpoch = Date.now() - performance.now();
    this.machineEpoch = null;
    this.synchronised = false;
    this.lostSince = null;
    setInterval(() => this.watch(), 1000);
    window.addEventListener("readmitted", () => this.start());
  }

  // The instant it is for the sector, in ms since 1970.
  now() {
    return performance.now() + this.sectorEpoch;
  }

  async start() {
    this.source?.close();
    this.source = null;
    try {
      const answer = await ask("/api/v1/snapshot", { // an ended session is told by page/session.js
        cache: "no-store",
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      this.machineEpoch = Date.parse(answer.headers.get("date")) - performance.now();
      const picture = await answer.json();
      this.hear(picture.beat);
      this.on.snapshot(picture);
      this.listen(picture.event_id);
    } catch (error) {
      console.info("no snapshot:", error.message);
      this.again();
    }
  }

  listen(eventId) {
    const source = new EventSource(`/api/v1/stream?after=${encodeURIComponent(eventId)}`);
    this.source = source;
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        this.heardAt = performance.now();
        this.on.change(kind, JSON.parse(event.data));
      });
    }
    source.addEventListener("fusion", (event) => {
      this.heardAt = performance.now();
      this.fusionAt = this.heardAt;
      this.fusionOnline = JSON.parse(event.data).online;
    });
    source.addEventListener("beat", (event) => this.hear(JSON.parse(event.data)));
    source.addEventListener("reset", () => this.start());
    source.addEventListener("error", () => {
      // The browser comes back by itself, with the last id, unless the answer was no stream.
      if (source.readyState === EventSource.CLOSED && source === this.source) this.again();
    });
  }

  again() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.start(), RETRY_MS);
  }

  hear(beat) {
    this.heardAt = performance.now();
    this.beat = beat;
    this.beatAt = this.heardAt;
    this.fusionAt = beat.fusion_age_s === null ? null : this.heardAt - beat.fusion_age_s * 1000;
    this.fusionOnline = beat.fusion_online;
    this.sectorEpoch = Date.parse(beat.now) - this.heardAt;
    this.synchronised = true;
  }

  // How far this computer's clock is ahead of the server's, s. No age comes from it; what else runs
  // here may. To a few seconds: an answer names the second it was made in.
  clockAheadS() {
    if (this.machineEpoch === null) return 0;
    return (Date.now() - performance.now() - this.machineEpoch) / 1000;
  }

  // A connection that says nothing may be dead without an error: begin anew.
  watch() {
    if (this.source === null || this.heardAt === null) return;
    if (performance.now() - this.heardAt > 2 * SILENT_MS) {
      this.heardAt = performance.now() - SILENT_MS;
      this.start();
    }
  }

  // Whether the picture is followed: {name, since}; since: when it stopped being live, null: not
  // yet begun, or it is live.
  state() {
    const name = this.stateName();
    if (name === "live") this.lostSince = null;
    else if (this.lostSince === null && this.synchronised) this.lostSince = this.now();
    return { name, since: this.lostSince };
  }

  stateName() {
    if (this.heardAt === null) return "connecting";
    if (performance.now() - this.beatAt > SILENT_MS) return "lost";
    if (!this.beat.broker_connected) return "broker";
    if (!this.fusionOnline || this.fusionAt === null) return "fusion";
    if (performance.now() - this.fusionAt > SILENT_MS) return "fusion";
    return this.beat.canary_age_s > CANARY_LATE_S ? "chain" : "live"; // null: none came yet
  }
}
