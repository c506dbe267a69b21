// The hand-over of a shift: the picture now, and what is signed; or, with ?id=, one that was signed.

import { element } from "../page/element.js";
import { ask as request, may, post } from "../page/session.js";
import { setTimeZone, word, wordOr } from "../page/wording.js";
import { instantText, showPicture } from "./picture.js";

const AGAIN_MS = 15000;
const by = (id) => document.getElementById(id);
const asked = new URLSearchParams(window.location.search).get("id");
let waiting = null;
let giving = null; // the id of the hand-over that is being given: the same when it is sent again

const token = () => [...crypto.getRandomValues(new Uint8Array(12))]
  .map((byte) => byte.toString(16).padStart(2, "0")).join("");

function say(text) {
  by("problem").hidden = text === null;
  if (text !== null && by("problem").textContent !== text) by("problem").textContent = text;
}

async function ask(address) {
  try {
    const answer = await request(address, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.ok) {
      say(null);
      return await answer.json();
    }
    say(word({ 401: "shift.expired", 404: "shift.none" }[answer.status] ?? "shift.away"));
  } catch (error) {
    console.info("the server does not answer:", error.message);
    say(word("shift.lost"));
  }
  return null;
}

function showSignatures(give, take, sha256) {
  const rows = [[word("shift.gives"), give, sha256.give], [word("shift.takes"), take, sha256.take]];
  by("signatures").hidden = false;
  by("signed").replaceChildren(...rows.map(([title, one, digest]) => element("div", { children: [
    element("dt", { text: title }),
    element("dd", { children: one ? [
      element("strong", { text: `${one.name} · ${wordOr(`role.${one.role}`, one.role)}` }),
      ` ${instantText(one.signed_at)} (${one.signed_at.slice(0, 19).replace("T", " ")} UTC)`,
      element("p", { className: "remarks", text: one.remarks || "–" }),
      element("span", { className: "digest", text: `SHA-256 ${digest}` }),
    ] : [word("shift.not_taken")] }),
  ] })));
}

function showWaiting(file) {
  waiting = file.waiting;
  by("waiting").hidden = waiting === null;
  if (waiting === null) return;
  by("waiting-text").textContent = word("shift.waiting_text",
    { name: waiting.name, time: instantText(waiting.signed_at) });
  by("waiting-remarks").textContent = waiting.remarks ?? "";
  by("waiting-link").href = `/shift?id=${encodeURIComponent(waiting.handover_id)}`;
  const own = file.logged_in && waiting.account === file.account;
  by("waiting-own").hidden = !own;
  by("take").hidden = own;
}

function showEarlier(earlier) {
  by("earlier-none").hidden = earlier.length > 0;
  by("earlier").replaceChildren(...earlier.map(({ handover_id: id, give, take }) =>
    element("li", { children: [element("a", {
      href: `/shift?id=${encodeURIComponent(id)}`,
      text: word(take ? "shift.was_taken" : "shift.was_given", {
        gives: give.name, takes: take?.name, time: instantText((take ?? give).signed_at),
      }),
    })] })));
}

async function showNow() {
  const file = await ask("/api/v1/shift");
  if (file === null) return;
  setTimeZone(file.timezone);
  for (const field of document.querySelectorAll("[data-signs]")) field.hidden = file.logged_in;
  showPicture(file.picture);
  showWaiting(file);
  showEarlier(file.earlier);
}

async function showSigned(id) {
  for (const part of ["giving", "earlier-panel", "sign-here"]) by(part).hidden = true;
  by("to-now").hidden = false;
  const file = await ask(`/api/v1/shift/${encodeURIComponent(id)}`);
  if (file === null) return;
  setTimeZone(file.timezone);
  showPicture(file.give.picture);
  showSignatures(file.give, file.take, file.sha256);
}

// Signed once, whatever is clicked; what was typed stays until it is.
function signs(form, addressOf, done) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    const { name, remarks } = form.elements;
    const typed = name.closest("label").hidden ? null : name.value.trim();
    if (typed === "") {
      say(word("shift.name_first"));
      name.focus();
      return;
    }
    if (button.disabled) return;
    button.disabled = true;
    const answer = await post(addressOf(), { remarks: remarks.value, ...(typed ? { name: typed } : {}) });
    button.disabled = false;
    if (!answer.ok) {
      say([0, 503].includes(answer.status) ? word("shift.unanswered")
        : answer.status === 401 ? word("shift.expired")
          : word("shift.refused", { why: answer.body.detail ?? answer.status }));
      return;
    }
    remarks.value = "";
    say(null);
    by("said").textContent = word(done);
    giving = null;
    await showNow();
  });
}

by("print").addEventListener("click", () => window.print());
if (asked !== null) {
  await showSigned(asked);
} else if (await may("shift")) {
  signs(by("give"), () => `/api/v1/shift/${(giving ??= token())}/give`, "shift.given");
  signs(by("take"), () => `/api/v1/shift/${encodeURIComponent(waiting.handover_id)}/take`, "shift.taken");
  await showNow();
  setInterval(showNow, AGAIN_MS);
}
