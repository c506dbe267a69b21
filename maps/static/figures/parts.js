// The parts of the page, each from the server's tables: a sentence first, then chart and table.

import { element } from "../page/element.js";
import { number, word } from "../page/wording.js";
import { instantText, rateText, shareText, waitText } from "./cells.js";
import { dayChart } from "./day_chart.js";
import { heatCell, heatLegend, levelsOf } from "./heat.js";
import { placeMap } from "./place_map.js";
import { tableOf } from "./table.js";

const WAITS_S = [60, 120, 240, 600, 1200, 3600, 7200, 14400, 43200, 86400];
const SAID = new Map(); // what a part shows, so that nothing is drawn anew that is the same

// Replaces a part's body; what was opened and where one was stay where nothing changed.
function put(part, content, data) {
  const said = JSON.stringify(data);
  if (SAID.get(part) === said) return;
  SAID.set(part, said);
  document.querySelector(`#${part} .figures-body`).replaceChildren(...content().filter(Boolean));
}

const sentence = (text, className = "figures-sentence") => element("p", { className, text });
const note = (text) => sentence(text, "figures-note");
const column = (table, name) => {
  const at = table.columns.findIndex((one) => one.name === name);
  return table.rows.map((row) => row[at]);
};

export function showFigures(body, { csv, layers }) {
  const { tables } = body;
  const of = (name, options = {}) => tableOf(name, tables[name], { csv: csv(name), ...options });
  const about = [body.from, body.to, body.simulated, csv("")];
  put("now", () => now(body, of), [...about, body.waiting, body.waiting_total, tables.waiting]);
  put("times", () => times(tables, of), [...about, tables.waits_kind, tables.waits_day]);
  put("precision", () => precision(body, of),
    [...about, tables.came_kind, tables.came_device, tables.came_trail, tables.came_day]);
  put("stopping", () => stopping(body, of), [...about, tables.interdiction]);
  put("console", () => console_(body, of), [...about, tables.load_day]);
  put("places", () => places(body, of, layers), [...about, tables.places_hours, tables.places_weekdays]);
}

function now(body, of) {
  if (!body.oldest) return [sentence(word("figures.now_none")), others(body)];
  const { incident_id: id, opened_at: opened } = body.oldest;
  const said = sentence(word("figures.now_some", { n: number(body.waiting), time: instantText(opened) }));
  said.append(" ", link(id));
  const listed = body.tables.waiting.rows.length;
  return [
    said, others(body),
    of("waiting_states"),
    listed < body.waiting ? note(word("figures.now_more", { n: number(listed) })) : null,
    of("waiting", { cell: (column, value) => (column === "incident"
      ? element("th", { scope: "row", children: [link(value)] }) : null) }),
  ];
}

const link = (id) => element("a", { href: `/incidents/${encodeURIComponent(id)}`, text: id });
const others = (body) => (body.waiting_total > body.waiting
  ? note(word("figures.now_others", { n: number(body.waiting_total) })) : null);

function times(tables, of) {
  const days = column(tables.waits_day, "date");
  const isSome = column(tables.waits_day, "acknowledge_median").some((one) => one !== null);
  return [
    note(word("figures.note_times")),
    of("waits_kind"),
    isSome ? dayChart({
      title: word("figures.chart_times"), days, format: waitText, steps: WAITS_S,
      series: ["acknowledge_median", "acknowledge_p90"].map((name) => ({
        name: word(`figures.col_${name}`), values: column(tables.waits_day, name),
      })),
    }) : null,
    of("waits_day", { newestFirst: true }),
  ];
}

const judged = (row, value) => value(row, "true") + value(row, "nuisance") + value(row, "false");

function precision({ all, tables }, of) {
  const n = all.true + all.nuisance + all.false;
  const options = (name) => ({
    columns: [tables[name].columns[0].name, "incidents", "true", "nuisance", "false", "unclear", "open", "by_itself",
      "precision", "unwanted_per_day"],
    intervals: {
      precision: { most: 1, text: shareText, n: judged, k: (row, value) => value(row, "true") },
      unwanted_per_day: {
        most: Math.max(0.1, ...column(tables[name], "unwanted_per_day_high")), text: rateText,
      },
    },
  });
  const days = column(tables.came_day, "date");
  return [
    sentence(n ? word("figures.say_precision", {
      n: number(n), true: number(all.true), low: shareText(all.precision_low),
    }) : word(all.incidents ? "figures.say_precision_none" : "figures.none")),
    all.unwanted_per_km_day_high === null ? null
      : sentence(word("figures.say_unwanted", { high: rateText(all.unwanted_per_km_day_high) })),
    note(word("figures.note_precision")),
    ...["came_kind", "came_device", "came_trail"].map((name) => of(name, options(name))),
    all.incidents ? dayChart({
      title: word("figures.chart_came"), days,
      series: ["incidents", "true"].map((name) => ({
        name: word(`figures.col_${name}`), values: column(tables.came_day, name),
      })),
    }) : null,
    of("came_day", { ...options("came_day"), newestFirst: true }),
  ];
}

function stopping({ all }, of) {
  const met = all.caught + all.turned_back;
  const n = met + all.got_away;
  return [
    sentence(n ? word("figures.say_stopping", {
      met: number(met), n: number(n), low: shareText(all.interdiction_low),
    }) : word("figures.say_stopping_none")),
    note(word("figures.note_stopping")),
    of("interdiction", {
      columns: ["trail", "caught", "turned_back", "got_away", "interdiction"],
      intervals: { interdiction: {
        most: 1, text: shareText,
        n: (row, value) => value(row, "caught") + value(row, "turned_back") + value(row, "got_away"),
        k: (row, value) => value(row, "caught") + value(row, "turned_back"),
      } },
    }),
  ];
}

function console_({ tables, budget }, of) {
  const { acceptable_per_hour: acceptable, most_per_hour: most, flood_per_10_min: flood } = budget;
  const sum = (name) => column(tables.load_day, name).reduce((a, b) => a + b, 0);
  const hours = sum("hours");
  return [
    sentence(word("figures.say_console", {
      n: rateText(hours ? sum("sounded") / hours : 0), floods: number(sum("floods")),
      over: number(sum("hours_over_acceptable")), acceptable: number(acceptable),
    })),
    note(word("figures.note_console", {
      acceptable: number(acceptable), most: number(most), flood: number(flood),
    })),
    dayChart({
      title: word("figures.chart_console"), days: column(tables.load_day, "date"),
      series: [{ name: word("figures.col_most_in_hour"), values: column(tables.load_day, "most_in_hour") }],
      limits: [
        { value: acceptable, text: word("figures.line_acceptable", { n: number(acceptable) }) },
        { value: most, text: word("figures.line_most", { n: number(most) }) },
      ],
    }),
    of("load_day", { newestFirst: true }),
  ];
}

function places({ tables, places: placed }, of, layers) {
  if (!tables.places_hours.rows.length) return [sentence(word("figures.none"))];
  return [
    note(word("figures.note_places")),
    layers ? placeMap(layers, placed) : null,
    ...["places_hours", "places_weekdays"].flatMap((name) => {
      const most = levelsOf(tables[name]);
      return [of(name, { cell: heatCell(most), heat: true }), heatLegend(most)];
    }),
  ];
}

export function showWatch(body, { csv }) {
  const { tables, known_h: known, unknown_h: unknown, vague } = body;
  const of = (name, options = {}) => tableOf(name, tables[name], { csv: csv(name), ...options });
  const about = [body.from, body.to, body.simulated, csv("")];
  const hours = (value) => number(value, 1);
  const said = known ? word("figures.say_watching", { known: hours(known), unknown: hours(unknown) })
    : word("figures.say_watching_none");
  put("watching", () => [
    sentence(said), note(word("figures.note_watching")),
    ...(known ? [of("seen_lines"), of("seen_devices")] : []),
  ], [...about, known, unknown, tables.seen_lines, tables.seen_devices]);
  put("rounds", () => [
    note(word("figures.note_rounds")),
    vague ? sentence(word("figures.say_vague", { n: number(vague) })) : null,
    of("patrols"),
  ], [...about, vague, tables.patrols]);
}
