// An instant as people read it, in the sector's time zone; on paper in UTC as well.

import { element } from "../page/element.js";
import { clockText, dayText } from "../page/wording.js";

export function instant(text) {
  const at = Date.parse(text);
  return element("time", { datetime: text, children: [
    `${dayText(at)} ${clockText(at)}`,
    element("span", { className: "print-only", text: ` (${text.slice(0, 19).replace("T", " ")} UTC)` }),
  ] });
}
