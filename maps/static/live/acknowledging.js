// "I have it": the first step of an incident, from the list, by button or key.
// Two people cannot both take one: who comes second is told who was first.

import { element } from "../page/element.js";
import { ask, me, post } from "../page/session.js";
import { clockText, word } from "../page/wording.js";

const OPEN = new Set(["new", "reopened"]); // nobody has it

export class Acknowledging {
  // `say(text)` tells the person what came of it; `changed()` draws the alerts anew.
  constructor(say) {
    this.say = say;
    this.allowed = false;
    this.busy = new Set(); // ids of incidents whose answer is awaited
  }

  async prepare() {
    this.person = await me();
    this.allowed = (this.person.steps ?? []).includes("acknowledge");
  }

  may(incident) {
    if (!this.allowed || incident === undefined || this.busy.has(incident.incident_id)) return false;
    // What another unit was given is theirs to take: back it comes by its page, not by one key.
    const isOurs = incident.state === "handed_over" && incident.assigned_to === this.person.unit;
    return OPEN.has(incident.state) || isOurs;
  }

  button(incident) {
    if (!this.may(incident)) return null;
    const made = element("button", { type: "button", className: "is-main",
      text: word("alert.acknowledge"), "aria-keyshortcuts": "a" });
    made.addEventListener("click", () => { made.disabled = true; this.take(incident); });
    return made;
  }

  async take(incident) {
    if (!this.may(incident)) return;
    const id = incident.incident_id;
    this.busy.add(id);
    const answer = await post(`/api/v1/incidents/${encodeURIComponent(id)}/acknowledge`, {
      actor: this.person.name, role: this.person.role, expected_version: incident.version ?? 0,
    });
    this.busy.delete(id);
    if (answer.ok) this.say(word("alert.acknowledged"));
    else if (answer.status === 409) this.say(await this.whoWasFirst(id));
    else this.say(word("alert.not_acknowledged", { why: this.whyOf(answer) }));
    this.changed(id);
  }

  whyOf({ status, body }) {
    if (status === 0 || status === 503) return word("alert.unanswered");
    if (status === 401) return word("person.expired");
    return status === 403 ? word("alert.may_not") : String(body.detail ?? status);
  }

  changed() {}

  async whoWasFirst(id) {
    try {
      const answer = await ask(`/api/v1/incidents/${encodeURIComponent(id)}/deeds`);
      const deed = (await answer.json()).findLast(({ result }) => result === "applied");
      if (deed !== undefined) {
        return word("alert.taken_by", { who: deed.actor, time: clockText(Date.parse(deed.at)) });
      }
    } catch (error) {
      console.info("who was first is not known:", error.message);
    }
    return word("alert.taken");
  }
}
