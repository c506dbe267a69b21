// The past as a feed with a clock of its own: a snapshot where it begins, then the changes as their
// time comes. What the clock has not loaded yet it waits for.

import { word } from "../page/wording.js";
import { ask as request } from "../page/session.js";

const BEFORE_MS = 90000; // it begins so long before, so that tracks have their way behind them
const AHEAD_MS = 20000; // of real time: so much is loaded ahead
const LONGEST_MS = 600000; // in one question
const ANSWER_WITHIN_MS = 15000;
const RETRY_MS = 2000;

const written = (instant) => new Date(instant).toISOString();
const layers = ["incident", "alert", "device", "patrol", "track"];

export async function ask(address, values = {}) {
  const answer = await request(`/api/v1/playback/${address}?${new URLSearchParams(values)}`, {
    cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  }).catch((error) => {
    console.info("the server does not answer:", error.message);
    throw new Error(word("playback.no_answer"));
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(whyOf(answer.status, body)), { status: answer.status });
  return body;
}

function whyOf(status, { detail }) {
  if (status === 401) return word("person.expired");
  if (status === 422) return word("playback.no_time");
  return status === 503 ? word("playback.store_away") : detail ?? `status ${status}`;
}

export class PlaybackFeed {
  // `on`: {begin(), put(kind, feature), drop(kind, id), trouble(error or null)}.
  constructor(on) {
    this.on = on;
    this.at = 0; // ms since 1970
    this.until = 0; // the end of the period
    this.speed = 10;
    this.playing = false;
    this.queue = []; // changes to come, in order
    this.loadedUntil = 0;
    this.seeks = 0; // answers to an earlier seek are nobody's any more
    this.loading = false;
    this.expires = new Map(); // [kind, id] by both: when it leaves the picture if nothing comes
  }

  // Show an instant. Resolves once it is shown, or another one is asked for.
  async seek(at) {
    this.seeks += 1;
    const mine = this.seeks;
    this.at = at;
    this.loading = true;
    this.queue = [];
    const begin = at - BEFORE_MS;
    for (;;) {
      try {
        const [picture, since] = await Promise.all([
          ask("snapshot", { at: written(begin) }), this.load(begin, at, 1),
        ]);
        if (mine !== this.seeks) return;
        this.on.trouble(null);
        this.show(picture, begin);
        this.queue = since.changes;
        this.loadedUntil = since.loadedUntil;
        this.loading = false;
        this.apply();
        return;
      } catch (error) {
        if (mine !== this.seeks) return;
        this.on.trouble(error);
        await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
        if (mine !== this.seeks) return;
      }
    }
  }

  // All changes of a time, page by page.
  async load(since, until, step) {
    const changes = [];
    for (let at = since; at < until;) {
      const page = await ask("changes", { since: written(at), until: written(until), step_s: step });
      changes.push(...page.changes);
      if (!page.more) break;
      at = Date.parse(page.until);
    }
    for (const change of changes) change.time = Date.parse(change.at);
    return { changes, loadedUntil: until };
  }

  show(picture, at) {
    this.kept = picture.kept_s;
    this.expires.clear();
    this.on.begin();
    for (const kind of layers) {
      for (const feature of picture[`${kind}s`].features) this.put(kind, feature, at);
    }
  }

  put(kind, feature, at) {
    const about = feature.properties;
    if (kind === "track") {
      const lasts = about.state !== "ended" ? this.kept.track
        : about.lost_near_line ? this.kept.lost : this.kept.ended;
      this.expires.set(`track ${feature.id}`, Date.parse(about.t) + lasts * 1000);
    } else if (kind === "patrol") {
      this.expires.set(`patrol ${feature.id}`, at + this.kept.patrol * 1000);
    }
    this.on.put(kind, feature);
  }

  // Let so many ms pass here: so many times as many there.
  pass(ms) {
    if (this.loading) return;
    if (this.playing) {
      this.at = Math.min(this.at + ms * this.speed, this.until, Math.max(this.loadedUntil, this.at));
      if (this.at >= this.until) this.playing = false;
    }
    this.apply();
    if (this.playing && this.loadedUntil - this.at < AHEAD_MS * this.speed) this.loadAhead();
  }

  apply() {
    let count = 0;
    while (count < this.queue.length && this.queue[count].time <= this.at) {
      const { kind, data, time } = this.queue[count];
      this.put(kind, data, time);
      count += 1;
    }
    this.queue.splice(0, count);
    for (const [name, expires] of this.expires) {
      if (expires < this.at) {
        this.expires.delete(name);
        this.on.drop(...name.split(/ (.*)/s, 2));
      }
    }
  }

  async loadAhead() {
    if (this.ahead === this.seeks || this.loadedUntil >= this.until) return;
    const mine = this.seeks;
    this.ahead = mine;
    const begin = this.loadedUntil;
    const end = Math.min(begin + Math.min(LONGEST_MS, AHEAD_MS * this.speed), this.until);
    try {
      const { changes } = await this.load(begin, end, Math.max(1, Math.round(this.speed / 20)));
      if (mine === this.seeks) {
        this.queue.push(...changes);
        this.loadedUntil = end;
        this.on.trouble(null);
      }
    } catch (error) {
      if (mine === this.seeks) this.on.trouble(error);
      await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
    } finally {
      if (this.ahead === mine) this.ahead = null;
    }
  }
}
