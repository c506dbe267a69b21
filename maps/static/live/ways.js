// Lines on the ground in plain metres around a place: crossings and nearest points. Pure.

const METRES_PER_DEGREE = 111320;

// {x, y} of a {lat, lng} in metres around another.
const plane = (at, around) => ({
  x: (at.lng - around.lng) * METRES_PER_DEGREE * Math.cos((around.lat * Math.PI) / 180),
  y: (at.lat - around.lat) * METRES_PER_DEGREE,
});

const between = (from, to, share) => ({
  lat: from.lat + share * (to.lat - from.lat), lng: from.lng + share * (to.lng - from.lng),
});

// The nearest point of a line: {at, along, aside}; along in whole and part segments, aside in m.
export function nearestOn(line, from) {
  let best = null;
  for (let index = 1; index < line.length; index += 1) {
    const [a, b] = [plane(line[index - 1], from), plane(line[index], from)];
    const [dx, dy] = [b.x - a.x, b.y - a.y];
    const length2 = dx * dx + dy * dy;
    const share = length2 === 0 ? 0 : Math.min(1, Math.max(0, -(a.x * dx + a.y * dy) / length2));
    const aside = Math.hypot(a.x + share * dx, a.y + share * dy);
    if (best === null || aside < best.aside) {
      best = { at: between(line[index - 1], line[index], share), along: index - 1 + share, aside };
    }
  }
  return best;
}

// Where a line crosses another: [{at, along}], along the first.
export function crossings(line, other) {
  const found = [];
  for (let i = 1; i < line.length; i += 1) {
    const origin = line[i - 1];
    const step = plane(line[i], origin);
    for (let j = 1; j < other.length; j += 1) {
      const [a, b] = [plane(other[j - 1], origin), plane(other[j], origin)];
      const [dx, dy] = [b.x - a.x, b.y - a.y];
      const turn = step.x * dy - step.y * dx;
      if (turn === 0) continue;
      const share = (a.x * dy - a.y * dx) / turn;
      const there = (a.x * step.y - a.y * step.x) / turn;
      if (share < 0 || share > 1 || there < 0 || there > 1) continue;
      found.push({ at: between(line[i - 1], line[i], share), along: i - 1 + share });
    }
  }
  return found;
}

// The part of a line from one place along it to another, ends included.
export function part(line, from, to) {
  const inner = [];
  if (to.along >= from.along) {
    for (let index = Math.floor(from.along) + 1; index < to.along; index += 1) inner.push(line[index]);
  } else {
    for (let index = Math.ceil(from.along) - 1; index > to.along; index -= 1) inner.push(line[index]);
  }
  return [from.at, ...inner, to.at];
}
