// Colours by a column: classes of numbers, or the most frequent values. And colours of counts.

const CLASSES = ["#fde725", "#5ec962", "#21918c", "#3b528b", "#440154"];
const CATEGORIES = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99"];
const OTHER = "#888888";
const PLAIN = "#0f766e";

/** How features are coloured by a column: `colour(feature)`, and the entries of the legend. */
export function styleOf(column, features, texts) {
  if (!column) return { colour: () => PLAIN, legend: [] };
  const values = [];
  for (const feature of features) {
    const value = feature.tags.get(column);
    if (value !== undefined && value !== null) values.push(value);
  }
  const numbers = values.filter((value) => typeof value === "number" && Number.isFinite(value));
  const distinct = new Set(values);
  if (numbers.length === values.length && distinct.size > CATEGORIES.length) return byNumber(column, numbers, texts);
  return byValue(column, values, texts);
}

function byNumber(column, numbers, texts) {
  numbers.sort((one, other) => one - other);
  const limits = [];
  for (let at = 1; at < CLASSES.length; at += 1) {
    const limit = numbers[Math.floor((at * numbers.length) / CLASSES.length)];
    if (limit !== limits.at(-1) && limit !== numbers[0]) limits.push(limit);
  }
  const colours = limits.length ? CLASSES.filter((_, at) => at <= limits.length) : [CLASSES[2]];
  const all = [numbers[0], ...limits, numbers.at(-1)];
  return {
    colour(feature) {
      const value = feature.tags.get(column);
      if (typeof value !== "number" || !Number.isFinite(value)) return OTHER;
      return colours[limits.filter((limit) => value >= limit).length];
    },
    legend: [
      ...colours.map((colour, at) => ({ colour, label: `${shown(all[at])} – ${shown(all[at + 1])}` })),
      { colour: OTHER, label: texts.no_value },
    ],
  };
}

function byValue(column, values, texts) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const frequent = [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one) || (String(one) < String(other) ? -1 : 1));
  const colours = new Map(frequent.slice(0, CATEGORIES.length).map((value, at) => [value, CATEGORIES[at]]));
  return {
    colour: (feature) => colours.get(feature.tags.get(column)) ?? OTHER,
    legend: [
      ...[...colours].map(([value, colour]) => ({ colour, label: shown(value) })),
      { colour: OTHER, label: counts.size > colours.size ? texts.other_value : texts.no_value },
    ],
  };
}

/** The colour of a count among counts up to a largest one. */
export function densityColour(count, largest) {
  const share = largest > 1 ? Math.log(count) / Math.log(largest) : 1;
  return CLASSES[Math.min(CLASSES.length - 1, Math.floor(share * CLASSES.length))];
}

export function densityLegend(largest) {
  const limits = CLASSES.map((_, at) => Math.ceil(largest ** (at / CLASSES.length)));
  const entries = CLASSES.map((colour, at) => ({ colour, from: limits[at], to: at + 1 < limits.length ? limits[at + 1] - 1 : largest }));
  return entries
    .filter(({ from, to }) => from <= to)
    .map(({ colour, from, to }) => ({ colour, label: from === to ? shown(from) : `${shown(from)} – ${shown(to)}` }));
}

function shown(value) {
  if (typeof value === "number") return value.toLocaleString(document.documentElement.lang, { maximumSignificantDigits: 6 });
  return inert(String(value)).slice(0, 60);
}

/** Text in which no character acts: controls, and those that turn the direction of writing, are shown by their codes. */
function inert(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/gu, (each) => `\\u${each.codePointAt(0).toString(16).padStart(4, "0")}`);
}
