// Small pictures of numbers: a line of the last minutes, and bars.
import { h, svg, table } from "./dom.js";
import { countText } from "./format.js";

/** @typedef {import("./prometheus.js").Histogram} Histogram */

/** @param {number[]} values The oldest first; NaN where there is none. @param {string} label */
export function sparkline(values, label) {
  const [width, height] = [120, 28];
  const top = Math.max(...values.filter(Number.isFinite), 1e-12);
  const step = width / Math.max(1, values.length - 1);
  const points = values.flatMap((value, k) =>
    Number.isFinite(value) ? [`${(k * step).toFixed(1)},${(height - 2 - (value / top) * (height - 4)).toFixed(1)}`] : []);
  const line = svg("polyline", { points: points.join(" "), class: "spark" });
  const box = { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label, class: "sparkline" };
  return svg("svg", box, line);
}

/** @param {number} share Between 0 and 1. @param {string} label */
export function shareBar(share, label) {
  const bar = svg("rect", { width: 100 * share, height: 10, class: "bar" });
  const box = { viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", class: "share" };
  return svg("svg", { ...box, "aria-label": `${label}: ${Math.round(100 * share)} %` }, bar);
}

/**
 * @param {number[]} values @param {string} label
 * @param {(k: number) => string} title What is said of a bar when the pointer rests on it.
 */
export function bars(values, label, title) {
  const height = 100;
  const finite = values.filter(Number.isFinite);
  const most = Math.max(0, ...finite.map(Math.abs)) || 1; // Shares of it, as the range of doubles is twice what one holds.
  const top = Math.max(0, ...finite) / most;
  const bottom = Math.min(0, ...finite) / most;
  const scale = height / (top - bottom || 1);
  const zero = top * scale;
  const shapes = values.map((value, k) => {
    const size = Number.isFinite(value) ? Math.max((Math.abs(value) / most) * scale, value ? 0.6 : 0) : 0;
    const bar = svg("rect", { x: k + 0.08, width: 0.84, y: value < 0 ? zero : zero - size, height: size, class: "bar" });
    const name = svg("title", {});
    name.textContent = title(k);
    bar.append(name);
    return bar;
  });
  const box = { viewBox: `0 0 ${values.length} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label, class: "bars" };
  return svg("svg", box, ...shapes);
}

/** The fewest buckets that a histogram shows, so that one bar does not fill it, and the most that have their bound below. */
const FEWEST_BUCKETS = 8;
const MOST_LABELS = 6;

/** @param {number[]} bounds @param {(bound: number) => string} textOf Returns what each bucket holds, in words. */
const bucketNames = (bounds, textOf) => bounds.map((bound, k) =>
  (bound === Infinity ? `more than ${textOf(bounds[k - 1])}` : `up to ${textOf(bound)}`));

/** @param {number[]} counts Those that add up. Returns what each bucket holds for itself. */
const singleCounts = (counts) => counts.map((count, k) => count - (counts[k - 1] ?? 0));

/**
 * Returns the buckets that hold something as a table, for who wants numbers.
 * @param {Histogram} histogram @param {string} label @param {(bound: number) => string} textOf @param {string} unit What is counted.
 */
export function histogramTable({ bounds, counts }, label, textOf, unit) {
  const names = bucketNames(bounds, textOf);
  const all = counts.at(-1) ?? 0;
  const rows = singleCounts(counts).flatMap((count, k) =>
    (count > 0 ? [[names[k], countText(count), `${((100 * counts[k]) / all).toFixed(1)} %`]] : []));
  return table(label, ["Bucket", `#${unit}`, "#Share up to here"], rows);
}

/**
 * Returns bars of the buckets from the first that holds something to the last, with their bounds below; null if none does.
 * @param {Histogram} histogram @param {string} label @param {(bound: number) => string} textOf @param {string} unit What is counted.
 */
export function histogramBars({ bounds, counts }, label, textOf, unit) {
  const single = singleCounts(counts);
  const filled = single.flatMap((count, k) => (count > 0 ? [k] : []));
  if (!filled.length) return null;
  const missing = Math.max(0, FEWEST_BUCKETS - (filled[filled.length - 1] - filled[0] + 1));
  const first = Math.max(0, filled[0] - Math.floor(missing / 2));
  const last = Math.min(bounds.length - 1, filled[filled.length - 1] + Math.ceil(missing / 2));
  const names = bucketNames(bounds, textOf);
  const told = filled.map((k) => `${names[k]}: ${single[k]}`).join(", ");
  const shown = single.slice(first, last + 1);
  const step = Math.ceil(shown.length / MOST_LABELS);
  const axis = shown.map((_, k) => h("span", {}, k % step ? "" : bounds[first + k] === Infinity ? "∞" : textOf(bounds[first + k])));
  return h("div", {}, bars(shown, `${label}: ${told}`, (k) => `${names[first + k]}: ${shown[k]} ${unit}`),
    h("div", { class: "axis", "aria-hidden": "true" }, ...axis));
}
