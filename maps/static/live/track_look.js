// How a track looks: its sprite by kind of object and state, in the colours of the theme.

const SIDE_PX = 20;
const VEHICLES = new Set(["car", "truck", "bus", "motorcycle", "bicycle", "boat", "train"]);

export function shapeOf(label) {
  if (label === "person") return "person";
  return VEHICLES.has(label) ? "vehicle" : "other";
}

// Round: a person; square: a vehicle; diamond: anything else.
const OUTLINES = {
  person: (pen) => pen.arc(10, 10, 5.5, 0, 2 * Math.PI),
  vehicle: (pen) => pen.rect(4.5, 4.5, 11, 11),
  other: (pen) => {
    pen.moveTo(10, 3);
    for (const [x, y] of [[17, 10], [10, 17], [3, 10]]) pen.lineTo(x, y);
    pen.closePath();
  },
};

// The variables of page/theme.css as they are now: a canvas does not follow them by itself.
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    track: read("track"), ground: read("ground"), border: read("border"), ink: read("ink"),
    edge: read("track-edge"), halo: read("halo"), panel: read("panel-high"), soft: read("ink-soft"),
  };
}

export class Sprites {
  constructor(ratio) {
    this.ratio = ratio;
    this.colours = colours();
    this.made = new Map();
  }

  // A canvas to draw from: of a shape, `confirmed`, `coasting` (hollow, dashed) or `lost`.
  of(shape, look) {
    const key = `${shape} ${look}`;
    let sprite = this.made.get(key);
    if (sprite === undefined) this.made.set(key, sprite = this.make(shape, look));
    return sprite;
  }

  make(shape, look) {
    const sprite = document.createElement("canvas");
    sprite.width = SIDE_PX * this.ratio;
    sprite.height = SIDE_PX * this.ratio;
    const pen = sprite.getContext("2d");
    pen.scale(this.ratio, this.ratio);
    const { track, ground, border, edge, halo } = this.colours;
    pen.beginPath();
    OUTLINES[shape](pen);
    pen.strokeStyle = halo;
    pen.lineWidth = 4;
    pen.stroke();
    pen.fillStyle = look === "confirmed" ? track : ground;
    pen.strokeStyle = { confirmed: edge, coasting: track, lost: border }[look];
    pen.lineWidth = look === "confirmed" ? 1.5 : 2;
    if (look !== "confirmed") pen.setLineDash([3, 2]);
    pen.fill();
    pen.stroke();
    return sprite;
  }

  draw(pen, shape, look, x, y) {
    pen.drawImage(this.of(shape, look), x - SIDE_PX / 2, y - SIDE_PX / 2, SIDE_PX, SIDE_PX);
  }
}
