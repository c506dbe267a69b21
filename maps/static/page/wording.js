// Words, numbers, times and places in the page's language. The words come with the page.

const WORDS = JSON.parse(document.getElementById("page-words").textContent);
export const LANGUAGE = document.documentElement.lang;
const LOCALE = LANGUAGE === "vi" ? "vi-VN" : "en-GB";
const COMPASS = ["n", "ne", "e", "se", "s", "sw", "w", "nw"];
let timeZone = "UTC";
let clockFormat;
let dayFormat;

// Return the words of a key with {names} filled in; a key without words is a mistake of ours.
export function word(key, values = {}) {
  const text = WORDS[key];
  if (text === undefined) {
    console.error(`no words for ${key}`);
    return key;
  }
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? "–"));
}

// Return the words of a key, or what stands in for them where a message brought an unknown code.
export function wordOr(key, otherwise) {
  return Object.hasOwn(WORDS, key) ? WORDS[key] : otherwise;
}

// [[code, words], …] of all keys of one head, in the catalogue's order.
export function wordsUnder(head) {
  return Object.entries(WORDS).filter(([key]) => key.startsWith(`${head}.`))
    .map(([key, text]) => [key.slice(head.length + 1), text]);
}

export function number(value, digits = 0) {
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(LOCALE, format).format(value);
}

// At most two decimals, none that says nothing.
export const shortNumber = (value) =>
  new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 2 }).format(value);

// A share as whole percent. A likelihood is never told as certain: 0.9994 is "> 99".
export function percentText(share) {
  const percent = Math.round(share * 100);
  if (percent >= 100) return `>\u00a0${number(99)}`;
  return percent > 0 ? number(percent) : `<\u00a0${number(1)}`;
}

export function setTimeZone(name) {
  timeZone = name;
  const parts = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  clockFormat = new Intl.DateTimeFormat(LOCALE, { ...parts, timeZone });
  const day = { day: "2-digit", month: "2-digit", year: "numeric" };
  dayFormat = new Intl.DateTimeFormat(LOCALE, { ...day, timeZone });
}

// Instants are milliseconds since 1970; shown in the sector's time zone.
export const clockText = (instant) => clockFormat.format(instant);
export const dayText = (instant) => dayFormat.format(instant);

export function momentText(instant, now) {
  const day = dayText(instant);
  return day === dayText(now) ? clockText(instant) : `${day} ${clockText(instant)}`;
}

export function ageText(seconds) {
  if (seconds < 60) return word("age.seconds", { n: number(Math.max(0, Math.round(seconds))) });
  if (seconds < 3600) return word("age.minutes", { n: number(Math.floor(seconds / 60)) });
  return word("age.hours", { n: number(Math.floor(seconds / 3600)) });
}

// To the second for as long as seconds matter.
export function durationText(seconds) {
  if (seconds < 120) return word("unit.s", { n: number(seconds) });
  if (seconds < 5400) return word("unit.min", { n: number(seconds / 60) });
  return word("unit.h", { n: number(seconds / 3600, 1) });
}

export function distanceText(metres) {
  if (metres < 10) return word("unit.m", { n: number(metres, 1) });
  if (metres < 10000) return word("unit.m", { n: number(metres) });
  return word("unit.km", { n: number(metres / 1000, 1) });
}

export function compassText(degrees) {
  const eighth = Math.round((((degrees % 360) + 360) % 360) / 45) % 8;
  return word(`compass.${COMPASS[eighth]}`);
}

export function coordinateText([lon, lat]) {
  return `${number(lat, 5)}° · ${number(lon, 5)}°`;
}

// The guards' words: "mốc 234 + 320 m về phía Tây Bắc".
export function placeTexts(place, trail) {
  const texts = [];
  if (place.marker) {
    const from = { marker: place.marker, distance: distanceText(place.marker_distance_m ?? 0) };
    texts.push((place.marker_distance_m ?? 0) < 1 || place.marker_bearing_deg == null
      ? word("place.at_marker", from)
      : word("place.from_marker", { ...from, bearing: compassText(place.marker_bearing_deg) }));
  }
  texts.push(place.trail_id ? trailText(trail ?? { name: place.trail_name ?? place.trail_id })
    : word("place.off_trail"));
  if (place.chainage_m != null) {
    texts.push(word("place.chainage", { distance: distanceText(place.chainage_m) }));
  }
  if (place.side != null) {
    const side = place.side === "home" ? "place.home" : "place.abroad";
    texts.push(word(side, { distance: distanceText(place.line_m ?? 0) }));
  }
  return texts;
}

// "đường mòn «Khe Lạnh»"; a name that says itself what it is stands alone.
function trailText({ name, kind = "duong_mon" }) {
  const what = wordOr(`trail.${kind}`, kind);
  return name.toLowerCase().startsWith(what) ? name : word("place.trail", { kind: what, trail: name });
}

export const labelText = (label) => wordOr(`label.${label}`, label);
