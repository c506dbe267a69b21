// Accounts: list, add, change. What the server refuses is shown in its own sentence.

import { element } from "../page/element.js";
import { ask, post } from "../page/session.js";
import { LANGUAGE, dayText, clockText, setTimeZone, word, wordOr } from "../page/wording.js";

const ROLES = ["guard", "duty_officer", "commander", "administrator", "partner"];
const at = (id) => document.getElementById(id);
let accounts = [];
let edited = null;

function show(box, text, more = []) {
  box.replaceChildren(...(text ? [element("span", { text }), ...more] : []));
  box.hidden = !text;
}

async function load() {
  try {
    const answer = await ask("/api/v1/people", { cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    accounts = await answer.json();
  } catch (error) {
    console.info("no accounts:", error.message);
    show(at("problem"), word("people.away"));
    return;
  }
  const collator = new Intl.Collator(LANGUAGE);
  accounts.sort((one, other) => collator.compare(one.shown_name, other.shown_name));
  at("people").replaceChildren(...accounts.map(rowOf));
  at("none").hidden = accounts.length > 0;
}

function statesOf(account) {
  return [
    account.locked ? word("people.locked") : word("people.active"),
    account.stopped ? word("people.stopped") : null,
    account.must_change ? word("people.must_change") : null,
    account.elsewhere ? word("people.elsewhere") : null,
  ].filter((text) => text !== null).join(", ");
}

function sectorsOf(account) {
  return account.sectors[0] === "*" ? word("people.every_sector") : account.sectors.join(", ");
}

function lastOf(account) {
  if (account.logged_in_at === null) return word("people.never");
  const instant = Date.parse(account.logged_in_at);
  return `${dayText(instant)} ${clockText(instant)}`;
}

function rowOf(account) {
  const button = element("button", {
    type: "button", text: word("people.change"),
    "aria-label": word("people.edit", { account: account.account }),
  });
  button.addEventListener("click", () => edit(account));
  return element("tr", {
    className: account.locked ? "is-locked" : "",
    "data-account": account.account,
    children: [
      element("td", { className: "is-long", text: account.account }),
      element("td", { className: "is-long", text: account.shown_name }),
      element("td", { text: word(`role.${account.role}`) }),
      element("td", { text: account.unit ?? "–" }),
      element("td", { className: "is-long", text: sectorsOf(account) }),
      element("td", { className: "is-long", text: statesOf(account) }),
      element("td", { text: lastOf(account) }),
      element("td", { className: "is-number", text: String(account.sessions) }),
      element("td", { children: [button] }),
    ],
  });
}

function edit(account) {
  edited = account;
  at("editor-title").textContent = word("people.edit", { account: account.account });
  show(at("editor-problem"), null);
  at("editor-role").elements.role.value = account.role;
  at("editor-unit").elements.unit.value = account.unit ?? "";
  at("editor-sectors").elements.sectors.value = account.sectors.join(", ");
  const acts = [
    account.locked ? ["unlock", "people.unlock"] : ["lock", "people.lock"],
    account.stopped && !account.locked ? ["unlock", "people.lift"] : null,
    account.elsewhere ? null : ["password", "people.password"],
    ["end-sessions", "people.end_sessions"],
  ].filter((act) => act !== null);
  at("acts").replaceChildren(...acts.map(([what, key]) => {
    const button = element("button", { type: "button", text: word(key), "data-act": what });
    button.addEventListener("click", () => change(what, {}));
    return button;
  }));
  if (!at("editor").open) at("editor").showModal();
}

// That the session has ended, the frame says on every page.
function problemOf({ status, body }) {
  if (status === 401) return null;
  return status === 0 ? word("people.away") : wordOr(`people.refused_${body.reason}`, body.detail);
}

async function change(what, body) {
  const { account } = edited;
  const answer = await post(`/api/v1/people/${encodeURIComponent(account)}/${what}`, body);
  if (!answer.ok) {
    show(at("editor-problem"), problemOf(answer));
    return;
  }
  at("editor").close();
  tell(answer.body);
  await load();
}

function tell({ account, password }) {
  show(at("problem"), null);
  if (password) {
    show(at("said"), word("people.handed", { account }),
      [" ", element("code", { text: password })]);
  } else {
    show(at("said"), word("people.done", { account }));
  }
}

async function add(event) {
  event.preventDefault();
  const form = at("add");
  const { account, shown_name: shown, role, unit, sectors } = form.elements;
  const answer = await post("/api/v1/people", {
    account: account.value.trim(), shown_name: shown.value.trim(), role: role.value,
    unit: unit.value.trim() || null, sectors: sectors.value,
  });
  show(at("add-problem"), answer.ok ? null : problemOf(answer)); // beside what was typed, which stays
  if (!answer.ok) return;
  form.reset();
  tell(answer.body);
  at("said").scrollIntoView({ block: "nearest" }); // the form is below a long list
  await load();
}

for (const select of document.querySelectorAll("select[name=role]")) {
  select.append(...ROLES.map((role) =>
    element("option", { value: role, text: word(`role.${role}`) })));
}
for (const field of ["role", "unit", "sectors"]) {
  at(`editor-${field}`).addEventListener("submit", (event) => {
    event.preventDefault();
    const value = event.target.elements[field].value.trim();
    change(field, { [field]: field === "unit" ? value || null : value });
  });
}
at("add").addEventListener("submit", add);
at("shut").addEventListener("click", () => at("editor").close());
window.addEventListener("readmitted", load);
const sector = await ask("/api/v1/sector").then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
setTimeZone(sector?.timezone ?? "UTC");
await load();
