// The steps that lead on: one button each, and a form for what it must say.
//
//     choose ──▶ fill in ──▶ send ──▶ done
//        ▲          │          ├── refused: what is wrong; the text stays
//        │   changed meanwhile ┘── no answer: sent again it is done once, under the same message_id
//
// The list of buttons follows what others do; the form is never made anew, so nothing typed is lost.

import { element } from "../page/element.js";
import { post } from "../page/session.js";
import { word, wordOr } from "../page/wording.js";

const TYPING_MS = 5000;
const UNANSWERED = new Set([0, 503]);
const UNIT = /^[a-z0-9][a-z0-9-]{0,63}$/; // as CONTRACT.md has it
const by = (id) => document.getElementById(id);

const token = () => [...crypto.getRandomValues(new Uint8Array(16))]
  .map((byte) => byte.toString(16).padStart(2, "0")).join("");

// Who acts here, where there is no log-in: remembered by the browser if it may.
function remembered(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(`step.${name}`, value);
    return localStorage.getItem(`step.${name}`) ?? "";
  } catch {
    return ""; // storage is forbidden: it is typed each time
  }
}

export class Workflow {
  constructor(address, on) {
    this.address = address;
    this.on = on;
    this.form = by("step");
    this.fields = by("step-fields");
    this.verb = null;
    this.sent = null; // the body that waits for its answer
    this.sending = false;
    this.seenVersion = 0; // of the incident, as whoever fills in the form has seen it
    this.rescueSeen = false;
    for (const name of ["actor", "role"]) this.form.elements[name].value = remembered(name);
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    this.form.addEventListener("input", () => this.typed());
    this.form.elements.actor.addEventListener("change", () => this.tellName());
    this.form.addEventListener("keydown", (event) => { if (event.key === "Escape") this.close(); });
    by("step-cancel").addEventListener("click", () => this.close());
    by("step-seen").addEventListener("click", () => this.haveSeen());
    by("step-edit").addEventListener("click", () => this.edit());
  }

  get version() {
    return this.file.incident.version ?? 0;
  }

  show(file) {
    this.file = file;
    for (const field of this.form.querySelectorAll("[data-signs]")) field.hidden = file.logged_in;
    this.tellName();
    this.showButtons();
    for (const name of ["cause", "outcome"]) this.fillChoices(name);
    by("units").replaceChildren(...file.units.map((value) => element("option", { value })));
    if (this.verb !== null) this.showForm();
  }

  // Where there is no log-in the others are told what was written here.
  tellName() {
    if (!this.file.logged_in) this.on.named(this.form.elements.actor.value.trim() || null);
  }

  showButtons() {
    const steps = this.file.steps.filter((step) => step.may);
    const shown = JSON.stringify([steps, this.verb]);
    if (shown === this.shown) return; // a button that has the focus keeps it
    this.shown = shown;
    by("work-none").hidden = steps.length > 0;
    by("steps").replaceChildren(...steps.map((step) => {
      const button = element("button", {
        type: "button", text: word(`step.${step.verb}`), "data-verb": step.verb,
        "aria-pressed": String(step.verb === this.verb),
      });
      button.addEventListener("click", () => this.choose(step.verb));
      return button;
    }));
  }

  fillChoices(name) {
    const select = this.form.elements[name];
    if (select.options.length > 0) return;
    const choices = this.file.choices[name];
    select.replaceChildren(
      element("option", { value: "", text: word("case.choose") }),
      ...choices.map((value) => element("option", { value, text: word(`outcome.${value}`) })),
    );
  }

  choose(verb) {
    if (this.sent !== null) return;
    this.verb = verb;
    this.see();
    this.form.elements.rescue.checked = this.rescueSeen;
    this.problem(null);
    this.showButtons();
    this.showForm();
    by("step-title").focus();
  }

  // What the step must say and may say; whether it still leads on from where the incident stands.
  showForm() {
    const step = this.file.steps.find((one) => one.verb === this.verb && one.may);
    const must = step?.must_say ?? null;
    this.form.hidden = false;
    by("step-title").textContent = word(`step.${this.verb}`);
    const asks = {
      cause: this.verb === "dismiss",
      outcome: ["resolve", "close"].includes(this.verb) && (must === "outcome" || !this.file.incident.outcome),
      assigned_to: ["hand_over", "dispatch"].includes(this.verb),
    };
    for (const [name, asked] of Object.entries(asks)) {
      this.form.querySelector(`[data-field="${name}"]`).hidden = !asked;
      this.form.elements[name].required = must === name;
    }
    this.form.elements.reason.required = must === "reason";
    by("reason-label").textContent = word(this.verb === "note" ? "case.note"
      : must === "reason" ? "case.reason" : "case.reason_if_any");
    const changed = this.sent === null && (this.version !== this.seenVersion || !step);
    const notice = by("step-notice");
    if (changed) {
      const said = word(step ? "case.changed" : "case.changed_no_step", {
        who: this.file.incident.acted_by ?? "–",
        state: wordOr(`incident.${this.file.incident.state}`, this.file.incident.state),
      });
      if (notice.firstElementChild.textContent !== said) notice.firstElementChild.textContent = said;
    } else {
      notice.firstElementChild.textContent = "";
    }
    notice.hidden = !changed;
    by("step-seen").hidden = !step;
    by("step-send").disabled = changed || this.sending;
  }

  see() {
    this.seenVersion = this.version;
    this.rescueSeen = this.file.incident.rescue === true;
  }

  haveSeen() {
    this.see();
    this.showForm();
    by("step-send").focus();
  }

  typed() {
    this.on.typing(true);
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.on.typing(false), TYPING_MS);
  }

  body() {
    const { elements } = this.form;
    const shown = (name) => !elements[name].closest("label").hidden;
    const said = { expected_version: this.seenVersion, message_id: token() };
    for (const name of ["cause", "outcome", "assigned_to", "reason", "actor", "role"]) {
      const value = elements[name].value.trim();
      if (shown(name) && value) said[name] = value;
    }
    if (elements.rescue.checked !== this.rescueSeen) said.rescue = elements.rescue.checked;
    return said;
  }

  // The first field that is asked for and empty.
  missing() {
    const required = ["cause", "outcome", "assigned_to", "reason"]
      .map((name) => this.form.elements[name]).filter((field) => field.required);
    const signs = this.file.logged_in ? [] : [this.form.elements.actor, this.form.elements.role];
    return [...required, ...signs].find((field) => field.value.trim() === "");
  }

  // The field that keeps it from being sent, and why.
  wrong() {
    const missing = this.missing();
    if (missing) return [missing, "case.must_say"];
    const unit = this.form.elements.assigned_to;
    const given = unit.closest("label").hidden ? "" : unit.value.trim();
    return given === "" || UNIT.test(given) ? null : [unit, "case.unit_form"];
  }

  async send() {
    if (this.sending) return; // a second click is the same step
    if (this.sent === null) {
      for (const field of this.form.elements) field.removeAttribute("aria-invalid");
      const wrong = this.wrong();
      if (wrong) {
        const [field, why] = wrong;
        field.setAttribute("aria-invalid", "true");
        field.focus();
        this.problem(word(why));
        return;
      }
      this.sent = this.body();
    }
    this.sending = true;
    this.busy(true);
    const answer = await post(`${this.address}/${this.verb}`, this.sent);
    this.sending = false;
    this.busy(false);
    if (answer.ok) this.taken();
    else if (UNANSWERED.has(answer.status)) this.unanswered();
    else this.refused(answer);
  }

  taken() {
    if (!this.file.logged_in) {
      for (const name of ["actor", "role"]) remembered(name, this.form.elements[name].value.trim());
    }
    this.sent = null;
    for (const name of ["cause", "outcome", "assigned_to", "reason"]) this.form.elements[name].value = "";
    this.close();
    this.on.done();
  }

  // It may have been done or not: sent again, as it was, it is done once.
  unanswered() {
    this.problem(word("case.unanswered"));
    this.fields.disabled = true;
    by("step-send").textContent = word("case.send_again");
    by("step-edit").hidden = false;
  }

  // Whether the first one is done is seen by the version, so another may be written.
  edit() {
    this.sent = null;
    this.problem(null);
    this.busy(false);
    this.showForm();
    this.form.elements.reason.focus();
  }

  refused({ status, body }) {
    this.sent = null;
    const said = { 401: "case.expired", 403: "case.may_not", 404: "case.gone", 409: "case.first" }[status];
    this.problem(said ? word(said) : word("case.refused_because", { why: body.detail ?? status }));
    this.showForm();
    this.on.done(); // what stands now
  }

  busy(isBusy) {
    this.fields.disabled = isBusy;
    by("step-send").disabled = isBusy;
    by("step-cancel").disabled = isBusy;
    by("step-edit").hidden = true;
    by("step-send").textContent = word(isBusy ? "case.sending" : "case.send");
  }

  problem(text) {
    const line = by("step-problem");
    line.hidden = text === null;
    line.textContent = text ?? "";
  }

  close() {
    if (this.sending) return;
    const verb = this.verb;
    this.verb = null;
    this.sent = null;
    this.form.hidden = true;
    this.busy(false);
    this.problem(null);
    clearTimeout(this.typing);
    this.on.typing(false);
    this.showButtons();
    by("steps").querySelector(`[data-verb="${verb}"]`)?.focus();
  }
}
