// Reads the text of /metrics, and what it says of the time between two scrapes.

/** @typedef {{labels: Record<string, string>, value: number}} Sample */
/** @typedef {Map<string, Sample[]>} Scrape */
/** @typedef {(labels: Record<string, string>) => boolean} Filter */
/** Counts of a histogram that add up: `counts[k]` is how many were at most `bounds[k]`. @typedef {{bounds: number[], counts: number[]}} Histogram */

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** @param {string} text */
const unescape = (text) => text.replace(/\\(.)/g, (_, letter) => (letter === "n" ? "\n" : letter));

/** @param {string} text @returns {Scrape} */
export function parseMetrics(text) {
  /** @type {Scrape} */
  const scrape = new Map();
  for (const line of text.split("\n")) {
    const match = line.startsWith("#") ? null : LINE.exec(line);
    if (!match) continue;
    const [, name, labelText = "", value] = match;
    const labels = Object.fromEntries([...labelText.matchAll(LABEL)].map(([, key, label]) => [key, unescape(label)]));
    const samples = scrape.get(name) ?? [];
    samples.push({ labels, value: value === "+Inf" ? Infinity : Number(value) });
    scrape.set(name, samples);
  }
  return scrape;
}

/** @param {Scrape} scrape @param {string} name @param {Filter} [filter] Returns the sum of a metric's series. */
export function total(scrape, name, filter = () => true) {
  return (scrape.get(name) ?? []).reduce((sum, { labels, value }) => sum + (filter(labels) ? value : 0), 0);
}

/** @param {Scrape} scrape @param {string} name @param {Filter} [filter] @returns {Histogram} The sum of its series. */
export function histogram(scrape, name, filter = () => true) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const { labels, value } of scrape.get(`${name}_bucket`) ?? []) {
    if (!filter(labels)) continue;
    const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  const bounds = [...counts.keys()].sort((a, b) => a - b);
  return { bounds, counts: bounds.map((bound) => counts.get(bound) ?? 0) };
}

/** @param {Histogram} now @param {Histogram} before @returns {Histogram} What has come since. */
export function since(now, before) {
  return { bounds: now.bounds, counts: now.counts.map((count, k) => count - (before.counts[k] ?? 0)) };
}

/**
 * Returns the value that a share of what was counted does not exceed, between the bounds of its bucket in proportion, as
 * Prometheus's histogram_quantile does; NaN if nothing was counted.
 * @param {Histogram} histogram @param {number} share Between 0 and 1.
 */
export function quantile({ bounds, counts }, share) {
  const count = counts.at(-1) ?? 0;
  if (count === 0) return NaN;
  const rank = share * count;
  const k = counts.findIndex((upTo) => upTo >= rank);
  if (bounds[k] === Infinity) return bounds[k - 1] ?? NaN;
  const [from, below] = k === 0 ? [0, 0] : [bounds[k - 1], counts[k - 1]];
  return from + (bounds[k] - from) * ((rank - below) / (counts[k] - below));
}
