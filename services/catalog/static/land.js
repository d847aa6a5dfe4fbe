// What lies under the features: land (Natural Earth 1:110,000,000, public domain), and lines of longitude and latitude.

/** The last zoom at which the land is drawn: beyond, its coasts are too coarse. */
const COARSEST = 6.5;
const STEPS = [45, 30, 15, 10, 5, 2, 1];

/** Rings in the units of the map (0 to 1 from the north-west). The file has differences of hundredths of a degree. */
export async function fetchLand(address) {
  const rings = await (await fetch(address)).json();
  return rings.map((steps) => {
    const ring = [];
    for (let at = 0, x = 0, y = 0; at < steps.length; at += 2) {
      x += steps[at];
      y += steps[at + 1];
      ring.push(...project(x / 100, y / 100));
    }
    return ring;
  });
}

export function project(longitude, latitude) {
  const sine = Math.sin((Math.max(-85.0511, Math.min(85.0511, latitude)) * Math.PI) / 180);
  return [longitude / 360 + 0.5, 0.5 - Math.atanh(sine) / (2 * Math.PI)];
}

export function unproject(x, y) {
  return [360 * (x - 0.5), (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI];
}

export function drawLand(context, view, land, colour) {
  if (view.zoom > COARSEST) return;
  const [left, top] = view.toScreen(0, 0);
  context.save();
  context.beginPath();
  context.rect(left, top, view.world, view.world); // rings reach beyond 180 degrees where land does
  context.clip();
  context.beginPath();
  for (const ring of land) {
    for (let at = 0; at < ring.length; at += 2) {
      const [x, y] = view.toScreen(ring[at], ring[at + 1]);
      if (at) context.lineTo(x, y);
      else context.moveTo(x, y);
    }
  }
  context.fillStyle = colour;
  context.fill("evenodd");
  context.restore();
}

export function drawGraticule(context, view, lineColour, textColour) {
  const [west, north] = unproject(...view.toMap(0, 0)), [east, south] = unproject(...view.toMap(view.width, view.height));
  const step = stepOf(((east - west) / view.width) * 160);
  context.strokeStyle = lineColour;
  context.fillStyle = textColour;
  context.lineWidth = 1;
  context.font = "11px system-ui, sans-serif";
  context.beginPath();
  for (let at = Math.ceil(Math.max(west, -180) / step); at * step <= Math.min(east, 180); at += 1) {
    const [x] = view.toScreen(...project(at * step, 0));
    context.moveTo(x, 0);
    context.lineTo(x, view.height);
    context.fillText(degrees(at * step, step, "E", "W"), x + 3, view.height - 5);
  }
  for (let at = Math.ceil(Math.max(south, -85) / step); at * step <= Math.min(north, 85); at += 1) {
    const [, y] = view.toScreen(...project(0, at * step));
    context.moveTo(0, y);
    context.lineTo(view.width, y);
    context.fillText(degrees(at * step, step, "N", "S"), 4, y - 3);
  }
  context.stroke();
}

/** The smallest round number of degrees that is not less than one. */
function stepOf(least) {
  let step = STEPS[0];
  for (let scale = 1; scale > 1e-7; scale /= 10) {
    for (const each of STEPS) if (each * scale >= least && each * scale < step && (scale === 1 || each < 10)) step = each * scale;
  }
  return step;
}

function degrees(value, step, positive, negative) {
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return `${Math.abs(value).toFixed(digits)}° ${Math.abs(value) < step / 2 ? "" : value > 0 ? positive : negative}`.trim();
}

/** A bar of a round length, and what it stands for on the ground in the middle of the view. */
export function drawScale(context, view, colour) {
  const [, latitude] = unproject(view.x, view.y);
  const metres = (40_075_016.7 * Math.cos((latitude * Math.PI) / 180)) / view.world;
  const longest = 110 * metres, power = 10 ** Math.floor(Math.log10(longest));
  const length = [5, 2, 1].map((each) => each * power).find((each) => each <= longest) ?? power;
  const width = length / metres, right = view.width - 10, bottom = view.height - 10;
  context.strokeStyle = colour;
  context.fillStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(right - width, bottom - 5);
  context.lineTo(right - width, bottom);
  context.lineTo(right, bottom);
  context.lineTo(right, bottom - 5);
  context.stroke();
  context.textAlign = "right";
  context.fillText(length >= 1000 ? `${length / 1000} km` : `${Number(length.toPrecision(1))} m`, right, bottom - 8);
  context.textAlign = "left";
}
