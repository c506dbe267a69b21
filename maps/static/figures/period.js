// Which days are shown: the last ones, or own dates; kept in the address.

import { number, word } from "../page/wording.js";

const LAST = [1, 7, 30, 90];
const USUAL = 30;

export class Period {
  constructor(form, onChange) {
    this.form = form;
    this.onChange = onChange;
    this.buttons = new Map();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.choose({ from: form.elements.from.value, to: form.elements.to.value });
    });
    form.elements.simulated.addEventListener("change", () => {
      const { days, from, to } = this.asked();
      this.choose(from ? { from, to } : { days });
    });
    window.addEventListener("popstate", () => onChange());
  }

  choices(element) {
    for (const days of LAST) {
      const text = days === 1 ? word("figures.today") : word("figures.last_days", { n: number(days) });
      const button = element("button", { type: "button", text });
      button.addEventListener("click", () => this.choose({ days }));
      this.buttons.set(days, button);
    }
    return this.buttons.values();
  }

  asked() {
    const given = new URLSearchParams(window.location.search);
    return {
      days: given.get("days") ?? String(USUAL), from: given.get("from"), to: given.get("to"),
      simulated: given.get("simulated") === "true",
    };
  }

  // The question for the server; what the address has wrong, the server says.
  query() {
    const { days, from, to, simulated } = this.asked();
    const query = new URLSearchParams(from || to ? {} : { days });
    if (from) query.set("from", from);
    if (to) query.set("to", to);
    if (simulated) query.set("simulated", "true");
    return query.toString();
  }

  choose(period) {
    const address = new URL(window.location.href);
    for (const name of ["days", "from", "to", "simulated"]) address.searchParams.delete(name);
    for (const [name, value] of Object.entries(period)) address.searchParams.set(name, value);
    if (this.form.elements.simulated.checked) address.searchParams.set("simulated", "true");
    window.history.pushState(null, "", address);
    for (const link of document.querySelectorAll(".languages a")) {
      const query = new URLSearchParams(address.search);
      query.set("lang", link.lang);
      link.search = query.toString();
    }
    this.onChange();
  }

  show({ from, to, simulated }) {
    const { days, from: own } = this.asked();
    const { elements } = this.form;
    for (const [field, value] of [[elements.from, from], [elements.to, to]]) {
      if (document.activeElement !== field) field.value = value;
    }
    elements.simulated.checked = simulated;
    for (const [choice, button] of this.buttons) {
      button.setAttribute("aria-pressed", String(!own && String(choice) === days));
    }
  }
}
