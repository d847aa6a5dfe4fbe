// Reads a Mapbox Vector Tile (version 2.1) as far as a map needs it.

const POINT = 1, LINE = 2, POLYGON = 3;
export { POINT, LINE, POLYGON };

/** By the name of the layer: its extent, and features with id, type, tags and parts (arrays of x, y, x, y ...). */
export function decode(buffer) {
  const layers = new Map();
  for (const [field, bytes] of fields(new Uint8Array(buffer))) {
    if (field === 3) {
      const layer = readLayer(bytes);
      layers.set(layer.name, layer);
    }
  }
  return layers;
}

function readLayer(bytes) {
  const layer = { name: "", extent: 4096, features: [] };
  const keys = [], values = [], raw = [];
  for (const [field, value] of fields(bytes)) {
    if (field === 1) layer.name = text(value);
    else if (field === 2) raw.push(value);
    else if (field === 3) keys.push(text(value));
    else if (field === 4) values.push(readValue(value));
    else if (field === 5) layer.extent = value;
  }
  layer.features = raw.map((each) => readFeature(each, keys, values));
  return layer;
}

function readFeature(bytes, keys, values) {
  const feature = { id: null, type: 0, tags: new Map(), parts: [] };
  for (const [field, value] of fields(bytes)) {
    if (field === 1) feature.id = value;
    else if (field === 2) {
      const numbers = varints(value);
      for (let at = 0; at + 1 < numbers.length; at += 2) feature.tags.set(keys[numbers[at]], values[numbers[at + 1]]);
    } else if (field === 3) feature.type = value;
    else if (field === 4) feature.parts = readParts(varints(value));
  }
  return feature;
}

function readParts(commands) {
  const parts = [];
  let x = 0, y = 0, part = [];
  for (let at = 0; at < commands.length;) {
    const command = commands[at] & 7;
    let count = commands[at] >>> 3;
    at += 1;
    if (command === 7) {
      part.push(part[0], part[1]);
      continue;
    }
    for (; count > 0; count -= 1) {
      x += (commands[at] >>> 1) ^ -(commands[at] & 1);
      y += (commands[at + 1] >>> 1) ^ -(commands[at + 1] & 1);
      at += 2;
      if (command === 1) parts.push((part = []));
      part.push(x, y);
    }
  }
  return parts;
}

function readValue(bytes) {
  for (const [field, value] of fields(bytes)) {
    if (field === 1) return text(value);
    if (field === 2) return new DataView(value.buffer, value.byteOffset, 4).getFloat32(0, true);
    if (field === 3) return new DataView(value.buffer, value.byteOffset, 8).getFloat64(0, true);
    if (field === 6) return value % 2 ? -(value + 1) / 2 : value / 2;
    if (field === 7) return value !== 0;
    return value > Number.MAX_SAFE_INTEGER ? value - 2 ** 64 : value; // a negative number has all 64 bits
  }
  return null;
}

/** The fields of a message: number and value, which is a number or bytes. */
function* fields(bytes) {
  const reader = { bytes, at: 0 };
  while (reader.at < bytes.length) {
    const tag = varint(reader);
    const kind = tag & 7;
    let value = 0;
    if (kind === 0) value = varint(reader);
    else {
      const length = kind === 2 ? varint(reader) : kind === 1 ? 8 : 4;
      value = bytes.subarray(reader.at, reader.at + length);
      reader.at += length;
    }
    yield [tag >>> 3, value];
  }
}

function varints(bytes) {
  const reader = { bytes, at: 0 }, numbers = [];
  while (reader.at < bytes.length) numbers.push(varint(reader));
  return numbers;
}

function varint(reader) {
  let value = 0, factor = 1, byte = 0;
  do {
    byte = reader.bytes[reader.at];
    reader.at += 1;
    value += (byte & 127) * factor;
    factor *= 128;
  } while (byte > 127 && reader.at < reader.bytes.length);
  return value;
}

function text(bytes) {
  return new TextDecoder().decode(bytes);
}
