// The incident log: what the filters find, page by page. New ones are announced and move nothing.

import { element } from "../page/element.js";
import { ask as request, may } from "../page/session.js";
import { LANGUAGE, clockText, dayText, number, setTimeZone, word } from "../page/wording.js";
import { Filters } from "./list_filters.js";
import { renew, rowOf } from "./list_rows.js";

const ADDRESS = "/api/v1/incidents";
const PAGE = 50;
const LOOK_EVERY_MS = 5000;
const byId = (id) => document.getElementById(id);

const filters = new Filters(() => go(""));
let cursor = ""; // where in the log; "": from the newest
let links = {};
let top = null; // the cursor of what comes after the newest that we know; null: there is nothing
let asking = null;
let retry = 0;
let isLost = false;

function go(to) {
  cursor = to;
  const asked = filters.asked();
  if (cursor) asked.set("cursor", cursor);
  const search = asked.size ? `?${asked}` : window.location.pathname;
  window.history.pushState(null, "", search);
  window.dispatchEvent(new Event("addresschange"));
  return show({ first: true });
}

function readAddress() {
  const asked = new URLSearchParams(window.location.search);
  cursor = asked.get("cursor") ?? "";
  filters.show(asked);
}

function query(more) {
  const asked = filters.asked();
  for (const [name, value] of Object.entries(more)) asked.set(name, value);
  return asked;
}

// Resolves to {incidents, links}; null: it failed, and the page says why.
async function ask(asked, signal) {
  try {
    const answer = await request(`${ADDRESS}?${asked}`, { cache: "no-store", signal });
    if (answer.status === 401) {
      window.location.reload(); // the session is over: the server leads to the log-in
      return null;
    }
    const body = await answer.json();
    if (!answer.ok) {
      isLost = answer.status >= 500;
      if (isLost) say(word("log.lost"));
      else refuse(asked, body.detail);
      return null;
    }
    say(null);
    isLost = false;
    return { incidents: body, links: linksOf(answer.headers.get("Link") ?? "") };
  } catch (error) {
    if (error.name === "AbortError") return null;
    isLost = true;
    say(word("log.lost"));
    return null;
  }
}

// What stands there answers another question.
function refuse(asked, why) {
  const text = asked.get("text");
  const wordless = text !== null && !/[\p{L}\p{N}]/u.test(text);
  say(wordless ? word("log.no_word") : word("log.refused", { why }));
  for (const id of ["table", "nothing"]) byId(id).hidden = true;
  byId("count").textContent = "";
}

function linksOf(header) {
  const found = {};
  for (const [, address, rel] of header.matchAll(/<([^>]*)>; rel="(\w+)"/g)) {
    found[rel] = new URLSearchParams(address.split("?")[1]).get("cursor");
  }
  return found;
}

function say(text) {
  byId("problem").hidden = text === null;
  if (text !== null && byId("problem").textContent !== text) byId("problem").textContent = text;
}

// Fetch the page that is asked for; `first`: for somebody who waits for it.
async function show({ first = false } = {}) {
  if (asking && !first) return;
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  const page = await ask(query({ limit: PAGE, cursor }), mine.signal);
  const newest = first && cursor && page
    ? await ask(query({ limit: 1, cursor: "" }), mine.signal) : page;
  if (asking === mine) asking = null;
  if (page === null || newest === null || mine.signal.aborted) return;
  if (first) replaceRows(page, newest);
  else await renewRows(page);
}

function replaceRows(page, newest) {
  links = page.links;
  top = newest.links.prev ?? null;
  byId("rows").replaceChildren(...page.incidents.map(rowOf));
  const found = page.incidents.length > 0;
  byId("table").hidden = !found;
  byId("nothing").hidden = found;
  if (!found) sayNothing();
  byId("count").textContent = found
    ? word(links.next ? "log.shown_more" : "log.shown", { n: number(page.incidents.length) }) : "";
  byId("older").disabled = !links.next;
  const isTop = newest.incidents[0]?.incident_id === page.incidents[0]?.incident_id;
  byId("newer").disabled = isTop || !links.prev;
  byId("newest").disabled = !cursor;
  byId("new-ones").hidden = true;
  showLinks();
}

// Those on the page as they stand now; those that came since are only counted.
async function renewRows(page) {
  const known = new Map([...byId("rows").rows].map((row) => [row.dataset.incident, row]));
  for (const one of page.incidents) {
    if (known.has(one.incident_id)) renew(known.get(one.incident_id), one);
  }
  const newer = await ask(query({ limit: PAGE, cursor: top ?? "" }));
  if (newer !== null) announce(newer.incidents.length);
}

function announce(count) {
  const button = byId("new-ones");
  const text = word(count < PAGE ? "log.new_ones" : "log.new_many", { n: number(count) });
  if (count > 0 && button.textContent !== text) button.textContent = text;
  button.hidden = count === 0;
}

// What could be left out to find something.
function sayNothing() {
  const set = filters.texts();
  const asked = filters.asked();
  const isReversed = asked.has("until") && asked.get("since") > asked.get("until");
  const said = isReversed ? "log.reversed" : set.length || cursor ? "log.nothing" : "log.nothing_yet";
  byId("nothing").replaceChildren(
    element("p", { text: word(said) }),
    ...set.map(([name, text]) => {
      const button = element("button", { type: "button", text: word("log.widen", { filter: text }) });
      button.addEventListener("click", () => {
        filters.drop(name);
        go("");
      });
      return button;
    }),
  );
}

function showLinks() {
  const asked = query({ lang: LANGUAGE });
  byId("csv").href = `${ADDRESS}.csv?${asked}`;
  byId("xlsx").href = `${ADDRESS}.xlsx?${asked}`;
}

function writeOut() {
  const now = Date.now();
  byId("printed").textContent = word("log.printed", {
    time: `${dayText(now)} ${clockText(now)}`,
    filters: filters.texts().map(([, text]) => text).join("; ") || word("log.no_filters"),
  });
}

function followKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "/") {
      event.preventDefault();
      byId("filters").elements.text.focus();
    } else if (event.key === "j" || event.key === "k") {
      step(event.key === "j" ? 1 : -1);
    }
  });
}

function step(by) {
  const rows = [...byId("rows").rows];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at < 0 ? 0 : Math.min(Math.max(at + by, 0), rows.length - 1)];
  next?.querySelector("a").focus();
}

byId("older").addEventListener("click", () => go(links.next));
byId("newer").addEventListener("click", () => go(links.prev));
byId("newest").addEventListener("click", () => go(""));
byId("new-ones").addEventListener("click", () => go("").then(() => step(0)));
byId("print").addEventListener("click", () => window.print());
window.addEventListener("beforeprint", writeOut);
window.addEventListener("popstate", () => {
  readAddress();
  show({ first: true });
});

async function start() {
  try {
    const choices = await (await request("/api/v1/incident-choices", { cache: "no-store" })).json();
    setTimeZone(choices.timezone);
    filters.offerPlaces(choices);
    for (const id of ["csv", "xlsx"]) byId(id).hidden = !(await may("export"));
  } catch {
    say(word("log.lost"));
    retry = setTimeout(start, LOOK_EVERY_MS);
    return;
  }
  clearTimeout(retry);
  await show({ first: true });
  setInterval(() => {
    // An empty page that was never filled waits for the server as somebody does.
    if (!document.hidden) show({ first: isLost && byId("rows").rows.length === 0 });
  }, LOOK_EVERY_MS);
}

readAddress();
followKeys();
await start();
