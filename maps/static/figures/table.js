// A table of figures with its title, a few rows first, and the way to all of it as CSV.

import { element } from "../page/element.js";
import { number, word, wordOr } from "../page/wording.js";
import { cellText, isNumber, shareText } from "./cells.js";
import { intervalBar } from "./interval.js";

const FIRST = 12; // rows; the others come when asked for, and all in print
const FEW = 20; // judged: fewer are told in words

// `columns`: names to show; `intervals`: {name: {most, of, n}}, a bar over NAME, NAME_low, NAME_high.
export function tableOf(name, table, { columns, intervals = {}, csv = null, cell = null, heat = false, newestFirst = false }) {
  const title = word(`figures.table_${name}`);
  const shown = columns ?? table.columns.map((one) => one.name);
  const at = new Map(table.columns.map((one, index) => [one.name, index]));
  const holds = (column) => table.columns[at.get(column)].holds;
  const value = (row, column) => row[at.get(column)];
  const box = element("div", { className: "figures-table", "data-table": name });
  const caption = element("caption", { text: title });
  const head = element("thead", { children: [element("tr", {
    children: shown.map((column) => element("th", {
      scope: "col", className: isNumber(holds(column)) && !intervals[column] ? "is-number" : "",
      text: headText(column),
    })),
  })] });
  const rows = (newestFirst ? [...table.rows].reverse() : table.rows).map((row, index) => {
    const made = element("tr", { children: shown.map((column, place) => {
      const own = cell?.(column, value(row, column), row, value);
      if (own) return own;
      if (intervals[column]) return intervalCell(row, column, intervals[column], value);
      const text = cellText(value(row, column), holds(column));
      if (place === 0) return element("th", { scope: "row", text });
      return element("td", { className: isNumber(holds(column)) ? "is-number" : "", text });
    }) });
    if (index >= FIRST) made.classList.add("is-more");
    return made;
  });
  const body = element("tbody", { children: rows });
  const made = element("table", { children: [caption, head, body] });
  const scroller = element("div", {
    className: "figures-scroll", tabindex: "0", role: "region", "aria-label": title, children: [made],
  });
  if (heat) scroller.classList.add("is-heat");
  box.append(scroller);
  if (!rows.length) box.append(element("p", { className: "figures-empty", text: word("figures.no_rows") }));
  if (table.of > rows.length) {
    box.append(element("p", { className: "figures-note", text: word("figures.shown_of", {
      n: number(rows.length), of: number(table.of),
    }) }));
  }
  box.append(tools(box, rows.length, title, csv));
  return box;
}

const headText = (column) => (column.startsWith("hour_")
  ? number(Number(column.slice(5))) : wordOr(`figures.col_${column}`, column));

function tools(box, count, title, csv) {
  const made = element("p", { className: "figures-tools no-print" });
  if (count > FIRST) {
    const more = () => word("figures.show_all", { n: number(count) });
    const button = element("button", { type: "button", text: more(), "aria-expanded": "false" });
    button.addEventListener("click", () => {
      const all = box.classList.toggle("is-all");
      button.setAttribute("aria-expanded", String(all));
      button.textContent = all ? word("figures.show_less") : more();
    });
    made.append(button);
  }
  if (csv) {
    made.append(element("a", {
      className: "button", href: csv, download: "", text: word("figures.csv"),
      "aria-label": word("figures.csv_of", { table: title }),
    }));
  }
  return made;
}

// A number with its bounds beside it; where there is too little to say it, in words.
function intervalCell(row, column, { most, text, n, k }, value) {
  const bounds = {
    value: value(row, column), low: value(row, `${column}_low`), high: value(row, `${column}_high`),
  };
  const judged = n ? n(row, value) : null;
  if (judged === 0) return element("td", { className: "is-interval is-unjudged", text: word("figures.unjudged") });
  const said = element("span", { className: "interval-text" });
  if (judged !== null && judged < FEW) {
    said.textContent = word("figures.few", {
      k: number(k(row, value)), n: number(judged), low: shareText(bounds.low),
    });
    said.title = word("figures.few_title");
  } else {
    said.textContent = word("figures.between", {
      value: text(bounds.value), low: text(bounds.low), high: text(bounds.high),
    });
  }
  return element("td", { className: "is-interval", children: [intervalBar(bounds, most), said] });
}
