// The figures of a period: which one is in the address. Asked for again while days are not counted.

import { element } from "../page/element.js";
import { ask as request, may } from "../page/session.js";
import { number, word } from "../page/wording.js";
import { dateText, setZone } from "./cells.js";
import { showFigures, showWatch } from "./parts.js";
import { Period } from "./period.js";

const AGAIN_MS = 1500; // while days are not counted, or nobody answers
const FRESH_MS = 60_000;
const PATIENCE_MS = 30_000;

const byId = (id) => document.getElementById(id);
const period = new Period(byId("period"), () => start());
const ground = {}; // the sector's layers, once they are here
let asked = 0; // whatever answers an older question is late
let timer = null;

function say(text) {
  byId("problem").hidden = text === null;
  if (text !== null && byId("problem").textContent !== text) byId("problem").textContent = text;
}

async function fetchJson(address) {
  const answer = await request(address, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  const body = await answer.json().catch(() => ({}));
  return { ok: answer.ok, status: answer.status, body };
}

function problemOf({ status, body }) {
  if (status === 401) return word("figures.expired");
  if (status === 503) return word("figures.store_away");
  if (status === 422) return word("figures.no_period");
  return word("figures.refused", { why: String(body.detail ?? status) });
}

function showAbout(body) {
  setZone(body.timezone);
  period.show(body);
  byId("intro").textContent = word("figures.intro", {
    sector: document.querySelector(".bar-name p").textContent,
    from: dateText(body.from), to: dateText(body.to), zone: body.timezone,
  });
  byId("exercise").hidden = !body.simulated;
}

function showProgress(pending, leftOut) {
  byId("progress").textContent = pending ? word("figures.pending", { n: number(pending) })
    : word("figures.ready");
  document.body.classList.toggle("is-pending", pending > 0);
  byId("left-out").hidden = !leftOut;
  byId("left-out").textContent = leftOut ? word("figures.left_out", { n: number(leftOut) }) : "";
}

// Resolves to how many days are still not counted; null: there was no answer to show.
async function refresh(question) {
  const query = period.query();
  try {
    const export_ = await may("export");
    const csv = (name) => (export_
      ? `/api/v1/figures/tables/${name}.csv?${query}&lang=${document.documentElement.lang}` : null);
    const figures = await fetchJson(`/api/v1/figures?${query}`);
    if (question !== asked) return null;
    if (!figures.ok) {
      say(problemOf(figures));
      return null;
    }
    showAbout(figures.body);
    showFigures(figures.body, { csv, layers: ground.layers });
    const watch = await fetchJson(`/api/v1/figures/watch?${query}`);
    if (question !== asked) return null;
    if (!watch.ok) {
      say(problemOf(watch));
      return null;
    }
    showWatch(watch.body, { csv });
    say(null);
    const pending = Math.max(figures.body.pending, watch.body.pending);
    showProgress(pending, figures.body.left_out);
    return pending;
  } catch (error) {
    if (question !== asked) return null;
    console.info("the server does not answer:", error.message);
    say(word(error.status === 401 ? "figures.expired" : "figures.lost"));
    return null;
  }
}

async function start() {
  asked += 1;
  const question = asked;
  window.clearTimeout(timer);
  const pending = await refresh(question);
  if (question !== asked) return;
  timer = window.setTimeout(start, pending === 0 ? FRESH_MS : AGAIN_MS);
}

async function layers() {
  try {
    const { ok, body } = await fetchJson("/api/v1/sector");
    if (ok) ground.layers = body.layers;
  } catch (error) {
    console.info("no map:", error.message);
  }
}

window.addEventListener("readmitted", start);
byId("print").addEventListener("click", () => window.print());
byId("days").append(...period.choices(element));
await layers();
start();
