// The list's filters: a form, and the same thing in the page's address, so that it can be shared.

import { element } from "../page/element.js";
import { LANGUAGE, word, wordOr, wordsUnder } from "../page/wording.js";

const NAMES = ["text", "since", "until", "kind", "severity", "state", "outcome", "trail", "unit",
  "overdue", "simulated"];
// In the order in which people think of them.
const SEVERITIES = ["critical", "high", "medium", "low"];
const STATES = ["new", "acknowledged", "assessing", "dispatched", "on_scene", "no_threat", "resolved",
  "closed", "handed_over", "reopened", "withdrawn"];
const PAUSE_MS = 300;
const WIDE = window.matchMedia("(min-width: 48rem)");

export class Filters {
  #form = document.getElementById("filters");
  #timer = 0;

  // `changed` is called when somebody asks for something else.
  constructor(changed) {
    this.#offer("state", "open", word("log.open"));
    for (const code of STATES) this.#offer("state", code, word(`incident.${code}`));
    for (const code of SEVERITIES) this.#offer("severity", code, word(`severity.${code}`));
    for (const name of ["kind", "outcome"]) {
      for (const [code, text] of wordsUnder(name)) this.#offer(name, code, text);
    }
    for (const name of ["overdue", "simulated"]) {
      this.#offer(name, "true", word("log.yes"));
      this.#offer(name, "false", word("log.no"));
    }
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(this.#timer);
      changed();
    });
    this.#form.addEventListener("input", (event) => {
      clearTimeout(this.#timer);
      const typed = event.target.name === "text" || event.target.name === "unit";
      this.#timer = setTimeout(changed, typed ? PAUSE_MS : 0);
    });
    document.getElementById("clear").addEventListener("click", () => {
      this.show(new URLSearchParams());
      changed();
    });
  }

  offerPlaces({ trails, unit }) {
    const collator = new Intl.Collator(LANGUAGE, { numeric: true });
    for (const { id, name } of trails.sort((one, two) => collator.compare(one.name, two.name))) {
      if (!this.#option("trail", id)) this.#offer("trail", id, name);
      else this.#option("trail", id).textContent = name;
    }
    if (unit) document.getElementById("units").append(element("option", { value: unit }));
  }

  // Fill the form from an address; a value that is not on offer is one all the same.
  show(asked) {
    for (const name of NAMES) {
      const value = asked.get(name) ?? "";
      const field = this.#form.elements[name];
      if (field.tagName === "SELECT" && !this.#option(name, value)) this.#offer(name, value, value);
      field.value = value;
    }
    const isSet = [...asked.keys()].some((name) => name !== "text" && NAMES.includes(name));
    if (isSet && WIDE.matches) document.getElementById("more").open = true; // a phone shows the list
    this.#count();
  }

  // What is asked for, as parameters.
  asked() {
    const asked = new URLSearchParams();
    for (const name of NAMES) {
      const value = this.#form.elements[name].value.trim();
      if (value) asked.set(name, value);
    }
    this.#count();
    return asked;
  }

  drop(name) {
    this.#form.elements[name].value = "";
  }

  // [[name, "Trạng thái: MỚI"], …]
  texts() {
    return [...this.asked()].map(([name, value]) => {
      const field = this.#form.elements[name];
      const shown = field.tagName === "SELECT" ? field.selectedOptions[0].textContent
        : field.type === "date" ? value.split("-").reverse().join("/") : value;
      return [name, `${wordOr(`log.${name === "text" ? "search" : name}`, name)}: ${shown}`];
    });
  }

  #count() {
    const set = NAMES.filter((name) => name !== "text" && this.#form.elements[name].value);
    document.getElementById("set-count").textContent = set.length ? `(${set.length})` : "";
  }

  #offer(name, value, text) {
    this.#form.elements[name].append(element("option", { value, text }));
  }

  #option(name, value) {
    return [...this.#form.elements[name].options].find((option) => option.value === value);
  }
}
