// Small pictures of numbers: a line of the last minutes, and bars.
import { svg } from "./dom.js";

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

/**
 * @param {number[]} values @param {string} label
 * @param {(k: number) => string} title What is said of a bar when the pointer rests on it.
 */
export function bars(values, label, title) {
  const height = 100;
  const finite = values.filter(Number.isFinite);
  const top = Math.max(0, ...finite);
  const bottom = Math.min(0, ...finite);
  const scale = height / (top - bottom || 1);
  const zero = top * scale;
  const shapes = values.map((value, k) => {
    const size = Number.isFinite(value) ? Math.max(Math.abs(value) * scale, value ? 0.6 : 0) : 0;
    const bar = svg("rect", { x: k + 0.08, width: 0.84, y: value < 0 ? zero : zero - size, height: size, class: "bar" });
    const name = svg("title", {});
    name.textContent = title(k);
    bar.append(name);
    return bar;
  });
  const box = { viewBox: `0 0 ${values.length} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label, class: "bars" };
  return svg("svg", box, ...shapes);
}
