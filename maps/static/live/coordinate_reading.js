// Coordinates as people type them, and names without the marks that take time to type.

// "Khe Đá" is found by "khe da".
export function folded(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("đ", "d");
}

const DMS = /^(\d{1,3})(?:[°d:\s]\s*(\d{1,2})(?:['′’:\s]\s*(\d{1,2}(?:[.,]\d+)?)?)?)?["″”''′]*\s*([NSEWBĐT])$/iu;
const SIGN = { N: 1, B: 1, S: -1, E: 1, "Đ": 1, W: -1, T: -1 }; // Bắc, Đông, Tây; N is north
const LATITUDE = new Set(["N", "S", "B"]);

const numberOf = (text) => Number(text.replace(",", "."));

// Degrees, minutes, seconds with a letter: [degrees, whether a latitude]; else null.
function readDms(text) {
  const found = DMS.exec(text.trim());
  if (found === null) return null;
  const [, degrees, minutes = "0", seconds = "0", letter] = found;
  const side = letter.toUpperCase();
  if (Number(minutes) >= 60 || numberOf(seconds) >= 60) return null;
  const value = Number(degrees) + Number(minutes) / 60 + numberOf(seconds) / 3600;
  return [SIGN[side] * value, LATITUDE.has(side)];
}

function within(lat, lon) {
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null;
}

// {lat, lon}, or null where it is none: 22.95, 105.31 · 22,95 105,31 · 22°57′00″N 105°18′36″E
export function readCoordinates(text) {
  const letters = text.match(/[^NSEWBĐT]*[NSEWBĐT]/giu);
  if (letters?.length === 2 && letters.join("").length === text.trimEnd().length) {
    const [one, other] = letters.map((part) => readDms(part.replace(/^[\s,;]+/, "")))
    if (one && other && one[1] !== other[1]) {
      return one[1] ? within(one[0], other[0]) : within(other[0], one[0]);
    }
    return null;
  }
  const whole = text.trim().replaceAll("°", "");
  const parts = whole.split(/\s*;\s*|,\s+|\s+/).filter((part) => part !== "");
  const two = parts.length === 2 ? parts : whole.split(",");
  if (two.length !== 2 || !two.every((part) => /^[-+]?\d+(?:[.,]\d+)?$/.test(part.trim()))) return null;
  return within(...two.map((part) => numberOf(part.trim())));
}
