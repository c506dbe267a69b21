// Which severities the list shows; the map shows them all.

import { element } from "../page/element.js";
import { severitySign } from "../page/severity_sign.js";
import { word } from "../page/wording.js";
import { keep, kept } from "./memory.js";

const SEVERITIES = ["critical", "high", "medium", "low"];

export class SeverityFilter {
  constructor(board, box, note) {
    this.board = board;
    this.note = note;
    this.hidden = new Set((kept("severities_off") ?? "").split("|").filter((one) => SEVERITIES.includes(one)));
    for (const severity of SEVERITIES) {
      const button = element("button", { type: "button", className: `severity is-${severity}`,
        title: word(`severity.${severity}`), "aria-label": word(`severity.${severity}`),
        "aria-pressed": String(!this.hidden.has(severity)), children: [severitySign(severity, 18)] });
      button.addEventListener("click", () => {
        if (!this.hidden.delete(severity)) this.hidden.add(severity);
        button.setAttribute("aria-pressed", String(!this.hidden.has(severity)));
        keep("severities_off", [...this.hidden].join("|"));
        board.hide(this.hidden);
      });
      box.append(button);
    }
    board.hide(this.hidden);
  }

  tell() {
    const count = this.board.countHidden();
    this.note.hidden = count === 0;
    const text = word("filter.hidden", { n: count });
    if (this.note.textContent !== text) this.note.textContent = text;
  }
}
