// The map of a dataset: tiles of the catalog on a canvas. Pan, zoom, keyboard, values of a feature, colours by a column.

import { LINE, POINT, POLYGON, decode } from "./mvt.js";
import { drawGraticule, drawLand, drawScale, fetchLand, project } from "./land.js";
import { densityColour, densityLegend, styleOf } from "./styling.js";

const TILE = 512; // pixels of a tile at its own zoom
const DENSITY = "density";
const REACH = 8; // pixels from a point or line at which it is hit
const KEPT = 300; // tiles
const AT_ONCE = 6; // requests
const AGAIN = 10_000; // milliseconds until a tile that could not be fetched is asked for once more

/** What is seen: a middle in units of the map (0 to 1 from the north-west), a zoom, a size in pixels. */
class View {
  constructor() {
    Object.assign(this, { x: 0.5, y: 0.5, zoom: 0, width: 1, height: 1 });
  }

  get world() {
    return TILE * 2 ** this.zoom;
  }

  toScreen(x, y) {
    return [(x - this.x) * this.world + this.width / 2, (y - this.y) * this.world + this.height / 2];
  }

  toMap(left, top) {
    return [(left - this.width / 2) / this.world + this.x, (top - this.height / 2) / this.world + this.y];
  }

  moveBy(right, down) {
    this.x = clamp(this.x + right / this.world, 0, 1);
    this.y = clamp(this.y + down / this.world, 0, 1);
  }

  zoomTo(zoom, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.toMap(left, top);
    this.zoom = clamp(zoom, 0, 24);
    const [newX, newY] = this.toMap(left, top);
    this.x = clamp(this.x + x - newX, 0, 1);
    this.y = clamp(this.y + y - newY, 0, 1);
  }

  fit([west, south, east, north]) {
    const [left, top] = project(west, north), [right, bottom] = project(east, south);
    this.x = clamp((left + right) / 2, 0, 1);
    this.y = clamp((top + bottom) / 2, 0, 1);
    const across = this.width / TILE / Math.max(right - left, 1e-9), down = this.height / TILE / Math.max(bottom - top, 1e-9);
    this.zoom = clamp(Math.log2(Math.min(across, down) * 0.9), 0, 17);
  }
}

/** The tiles that were fetched, and those on their way. */
class Tiles {
  constructor(address, changed) {
    this.address = address;
    this.changed = changed;
    this.kept = new Map();
    this.wanted = [];
    this.running = 0;
    this.failed = false;
  }

  /** The layers of a tile; undefined while it is not here. */
  get(zoom, x, y) {
    const key = `${zoom}/${x}/${y}`, found = this.kept.get(key);
    if (found) {
      this.kept.delete(key);
      this.kept.set(key, found);
    }
    return found?.layers;
  }

  /** Fetch those that are not here; what was asked for before and has not begun is not asked for any more. */
  want(places) {
    this.wanted = places.map((place) => place.join("/")).filter((key) => !this.kept.has(key));
    this.#next();
  }

  #next() {
    while (this.running < AT_ONCE && this.wanted.length) this.#fetch(this.wanted.shift());
  }

  async #fetch(key) {
    const entry = { layers: undefined };
    this.kept.set(key, entry);
    this.running += 1;
    try {
      const answer = await fetch(`${this.address}/${key}`);
      if (!answer.ok) throw new Error(answer.statusText);
      entry.layers = answer.status === 204 ? new Map() : decode(await answer.arrayBuffer());
      this.failed = false;
    } catch {
      this.failed = true;
      setTimeout(() => this.kept.delete(key), AGAIN); // then the next look asks for it once more
    }
    this.running -= 1;
    for (const old of this.kept.keys()) {
      if (this.kept.size <= KEPT) break;
      this.kept.delete(old);
    }
    this.changed();
    this.#next();
  }
}

class DatasetMap {
  constructor(element, info, texts) {
    Object.assign(this, { element, info, texts, view: new View(), land: [], selected: null, column: "", style: styleOf("", [], texts) });
    this.tiles = new Tiles(element.dataset.map, () => this.changed());
    this.build();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    fetchLand("/static/land.json").then((land) => {
      this.land = land;
      this.draw();
    }, () => {}); // the features are there without it
  }

  build() {
    const { texts } = this;
    this.canvas = made("canvas", { tabIndex: 0, ariaLabel: `${texts.of} ${texts.id}. ${texts.keys}` });
    this.canvas.setAttribute("role", "application");
    const button = (label, name, action) => {
      const each = made("button", { type: "button", textContent: label, title: name, ariaLabel: name });
      each.addEventListener("click", () => {
        action();
        this.draw();
      });
      return each;
    };
    const buttons = made("div", { className: "buttons" });
    buttons.append(
      button("+", texts.zoom_in, () => this.view.zoomTo(this.view.zoom + 1)),
      button("−", texts.zoom_out, () => this.view.zoomTo(this.view.zoom - 1)),
      button("⤢", texts.zoom_all, () => this.fit()),
    );
    this.select = made("select", {});
    this.select.append(made("option", { value: "", textContent: texts.one_colour }));
    for (const { name, label } of this.info.columns) this.select.append(made("option", { value: name, textContent: label }));
    const label = made("label", { textContent: texts.colour_by });
    label.append(this.select);
    this.legend = made("ul", { className: "legend" });
    this.status = made("p", { className: "quiet", role: "status" });
    this.values = made("div", { className: "values", tabIndex: -1, hidden: true });
    const frame = made("div", { className: "frame" }), below = made("div", { className: "below" });
    frame.append(this.canvas, buttons);
    below.append(label, this.legend);
    this.element.replaceChildren(frame, this.status, below, this.values);
  }

  fit() {
    this.view.fit(this.info.bounds);
  }

  resize() {
    const { width, height } = this.canvas.getBoundingClientRect();
    if (!width || !height) return;
    const first = this.view.width === 1, ratio = window.devicePixelRatio || 1;
    Object.assign(this.view, { width, height });
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    if (first) this.fit();
    this.draw();
  }

  // What is drawn

  changed() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  get zoom() {
    return clamp(Math.round(this.view.zoom), 0, this.info.sharpest);
  }

  /** The tiles that are seen: zoom, column and row. */
  seen() {
    const count = 2 ** this.zoom, [left, top] = this.view.toMap(0, 0), [right, bottom] = this.view.toMap(this.view.width, this.view.height);
    const places = [];
    for (let y = Math.max(0, Math.floor(top * count)); y <= Math.min(count - 1, Math.floor(bottom * count)); y += 1) {
      for (let x = Math.max(0, Math.floor(left * count)); x <= Math.min(count - 1, Math.floor(right * count)); x += 1) places.push([this.zoom, x, y]);
    }
    return places;
  }

  draw() {
    const { view } = this, context = this.canvas.getContext("2d"), ratio = this.canvas.width / view.width;
    const colours = getComputedStyle(this.element), colour = (name) => colours.getPropertyValue(`--${name}`).trim();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colour("panel");
    context.fillRect(0, 0, view.width, view.height);
    drawLand(context, view, this.land, colour("land"));
    drawGraticule(context, view, colour("line"), colour("quiet"));
    const places = this.seen();
    this.tiles.want(places);
    const shown = places.map((place) => ({ place, ...this.nearest(place) })).filter(({ layers }) => layers);
    this.largest = 1;
    for (const { layers } of shown) {
      for (const { tags } of layers.get(DENSITY)?.features ?? []) this.largest = Math.max(this.largest, tags.get("count"));
    }
    const features = shown.flatMap(({ layers }) => layers.get(this.info.layer)?.features ?? []);
    this.style = styleOf(this.column, features, this.texts);
    for (const each of shown) this.drawTile(context, each);
    drawScale(context, view, colour("quiet"));
    if (document.activeElement === this.canvas) this.drawCross(context, colour("text"));
    this.tell(shown, features);
  }

  /** The layers of a tile, or of the nearest one around it that is here. */
  nearest([zoom, x, y]) {
    for (let up = 0; up <= zoom; up += 1) {
      const layers = this.tiles.get(zoom - up, x >> up, y >> up);
      if (layers) return { layers, from: [zoom - up, x >> up, y >> up] };
    }
    return {};
  }

  drawTile(context, { place, layers, from }) {
    const box = this.frame(place), source = this.frame(from);
    context.save();
    context.beginPath();
    context.rect(Math.floor(box.left), Math.floor(box.top), Math.ceil(box.side) + 1, Math.ceil(box.side) + 1);
    context.clip();
    const counts = layers.get(DENSITY);
    if (counts) {
      const scale = source.side / counts.extent, side = Math.max(1, 2 * scale);
      for (const { tags, parts } of counts.features) {
        context.fillStyle = densityColour(tags.get("count"), this.largest);
        for (const [x, y] of parts) context.fillRect(source.left + (x - 1) * scale, source.top + (y - 1) * scale, side + 0.3, side + 0.3);
      }
    }
    const layer = layers.get(this.info.layer);
    for (const kind of [POLYGON, LINE, POINT]) {
      for (const feature of layer?.features ?? []) {
        if (feature.type === kind && feature.id !== this.selected) this.drawFeature(context, feature, source, layer.extent, this.style.colour(feature), 1);
      }
    }
    for (const feature of layer?.features ?? []) {
      if (feature.id === this.selected) this.drawFeature(context, feature, source, layer.extent, "#d6336c", 3);
    }
    context.restore();
  }

  drawFeature(context, { type, parts }, { left, top, side }, extent, colour, weight) {
    const scale = side / extent;
    context.beginPath();
    for (const part of parts) {
      for (let at = 0; at < part.length; at += 2) {
        const x = left + part[at] * scale, y = top + part[at + 1] * scale;
        if (type === POINT) {
          context.moveTo(x + 3 + weight, y);
          context.arc(x, y, 3 + weight, 0, 2 * Math.PI);
        } else if (at) context.lineTo(x, y);
        else context.moveTo(x, y);
      }
    }
    context.strokeStyle = type === POINT ? "#fff" : colour;
    context.fillStyle = colour;
    context.lineWidth = type === LINE ? weight + 1 : weight;
    if (type !== LINE) {
      context.globalAlpha = type === POINT ? 0.9 : 0.45;
      context.fill("evenodd");
      context.globalAlpha = 1;
    }
    context.stroke();
  }

  drawCross(context, colour) {
    const x = this.view.width / 2, y = this.view.height / 2;
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x - 8, y);
    context.lineTo(x + 8, y);
    context.moveTo(x, y - 8);
    context.lineTo(x, y + 8);
    context.stroke();
  }

  frame([zoom, x, y]) {
    const side = this.view.world / 2 ** zoom, [left, top] = this.view.toScreen(x / 2 ** zoom, y / 2 ** zoom);
    return { left, top, side };
  }

  /** What is below the map: how much is seen, and what the colours mean. */
  tell(shown, features) {
    const { texts, info } = this, number = (value) => value.toLocaleString(document.documentElement.lang);
    const isDense = shown.some(({ layers }) => layers.has(DENSITY));
    const parts = [isDense ? texts.counts : `${number(new Set(features.map(({ id }) => id)).size)} ${texts.in_view}`];
    parts.push(`${number(info.features)} ${texts.in_all}`);
    if (info.unplaced) parts.push(`${number(info.unplaced)} ${texts.unplaced}`);
    if (this.tiles.failed) parts.push(texts.tile_failed);
    const told = `${parts.join("; ")}.`;
    if (this.status.textContent !== told) this.status.textContent = told;
    this.element.dataset.drawn = String(shown.length);
    this.select.disabled = isDense;
    const entries = isDense ? densityLegend(this.largest) : this.style.legend;
    const key = JSON.stringify(entries);
    if (this.legendKey === key) return;
    this.legendKey = key;
    this.legend.replaceChildren(
      ...entries.map(({ colour, label }) => {
        const item = made("li", { textContent: label }), swatch = made("span", { className: "swatch" });
        swatch.style.background = colour;
        item.prepend(swatch);
        return item;
      }),
    );
  }

  // What is done with it

  listen() {
    const { canvas, view } = this, pointers = new Map();
    let moved = 0;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
      if (pointers.size === 1) moved = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const now = [event.offsetX, event.offsetY];
      moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const distances = [before, now].map(([x, y]) => Math.max(1, Math.hypot(x - other[0], y - other[1])));
        view.zoomTo(view.zoom + Math.log2(distances[1] / distances[0]), other[0], other[1]);
      } else view.moveBy(before[0] - now[0], before[1] - now[1]);
      pointers.set(event.pointerId, now);
      this.changed();
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => {
        const was = pointers.delete(event.pointerId);
        if (name === "pointerup" && was && !pointers.size && moved < 5) this.choose(event.offsetX, event.offsetY);
      });
    }
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // the page is scrolled until the map is chosen
      event.preventDefault();
      view.zoomTo(view.zoom - clamp(event.deltaY, -100, 100) / 200, event.offsetX, event.offsetY);
      this.changed();
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => {
      view.zoomTo(view.zoom + 1, event.offsetX, event.offsetY);
      this.changed();
    });
    canvas.addEventListener("keydown", (event) => this.press(event));
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.changed());
    this.select.addEventListener("change", () => {
      this.column = this.select.value;
      this.draw();
    });
  }

  press(event) {
    const { view } = this, step = event.shiftKey ? 20 : 100;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (moves[event.key]) view.moveBy(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") view.zoomTo(view.zoom + 1);
    else if (event.key === "-") view.zoomTo(view.zoom - 1);
    else if (event.key === "0" || event.key === "Home") this.fit();
    else if (event.key === "Enter") this.choose(view.width / 2, view.height / 2);
    else if (event.key === "Escape") this.unselect();
    else return;
    event.preventDefault();
    this.changed();
  }

  unselect() {
    this.selected = null;
    this.values.hidden = true;
    this.changed();
  }

  async choose(left, top) {
    const found = this.at(left, top);
    if (found?.count) {
      this.show([made("p", { textContent: `${found.count.toLocaleString(document.documentElement.lang)} ${this.texts.here}` })]);
      return;
    }
    if (found?.id === undefined || found.id === null) {
      this.unselect();
      return;
    }
    this.selected = found.id;
    this.changed();
    const answer = await fetch(`${this.element.dataset.map}/features/${found.id}`);
    if (this.selected !== found.id) return;
    if (!answer.ok) {
      this.show([made("p", { textContent: this.texts.tile_failed })]);
      return;
    }
    const table = made("table", {}), caption = made("caption", { textContent: `${this.texts.feature} ${found.id}` });
    table.append(caption);
    for (const [name, value] of (await answer.json()).values) {
      const row = table.insertRow();
      row.append(made("th", { scope: "row", textContent: name }));
      row.insertCell().textContent = value;
    }
    this.show([table]);
  }

  show(contents) {
    const close = made("button", { type: "button", textContent: this.texts.close });
    close.addEventListener("click", () => {
      this.unselect();
      this.canvas.focus();
    });
    this.values.replaceChildren(...contents, close);
    this.values.hidden = false;
  }

  /** What is at a place of the canvas: the nearest feature, points before lines before the smallest polygon, or a count. */
  at(left, top) {
    let best = null;
    for (const place of this.seen()) {
      const { layers, from } = this.nearest(place), box = this.frame(place);
      if (!layers || left < box.left || top < box.top || left >= box.left + box.side || top >= box.top + box.side) continue;
      const source = this.frame(from), counts = layers.get(DENSITY), layer = layers.get(this.info.layer);
      if (counts) {
        const column = Math.floor(((left - source.left) / source.side) * counts.extent / 2), row = Math.floor(((top - source.top) / source.side) * counts.extent / 2);
        for (const { tags, parts } of counts.features) {
          if (parts.some(([x, y]) => (x - 1) / 2 === column && (y - 1) / 2 === row)) return { count: tags.get("count") };
        }
      }
      for (const feature of layer?.features ?? []) {
        const scale = layer.extent / source.side, x = (left - source.left) * scale, y = (top - source.top) * scale;
        const rank = hit(feature, x, y, REACH * scale);
        if (rank !== null && (!best || rank < best.rank)) best = { id: feature.id, rank };
      }
    }
    return best;
  }
}

/** How well a place hits a feature, less being better; null for not at all. */
function hit({ type, parts }, x, y, reach) {
  if (type === POLYGON) {
    let inside = false, area = 0;
    for (const part of parts) {
      for (let at = 0; at + 3 < part.length; at += 2) {
        const [x1, y1, x2, y2] = part.slice(at, at + 4);
        area += x1 * y2 - x2 * y1;
        if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
      }
    }
    return inside ? 1e6 + Math.abs(area) : null;
  }
  let nearest = Infinity;
  for (const part of parts) {
    for (let at = 0; at + 1 < part.length; at += 2) {
      const [x1, y1] = part.slice(at, at + 2), [x2, y2] = type === LINE && at + 3 < part.length ? part.slice(at + 2, at + 4) : [x1, y1];
      const length = (x2 - x1) ** 2 + (y2 - y1) ** 2;
      const along = length ? clamp(((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length, 0, 1) : 0;
      nearest = Math.min(nearest, Math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1)));
    }
  }
  return nearest <= reach ? nearest + (type === LINE ? 1e3 : 0) : null;
}

function made(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

function clamp(value, least, most) {
  return Math.max(least, Math.min(most, value));
}

const element = document.getElementById("map");
if (element) {
  fetch(element.dataset.map).then(async (answer) => {
    if (answer.ok) new DatasetMap(element, await answer.json(), JSON.parse(element.dataset.texts));
  }, () => {}); // the picture stays
}
