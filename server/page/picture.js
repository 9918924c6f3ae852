// Shows a tensor: as an image, a heat map, bars or a number; and what is to be said of its elements.
import { numelOf, viewOf } from "./arrays.js";
import { bars } from "./charts.js";
import { badge, h, table } from "./dom.js";
import { numberAt, textAt } from "./dtypes.js";
import { numberText } from "./format.js";

/** Elements with their dtype and shape, in C order and little-endian. @typedef {{dtype: import("./dtypes.js").DType, shape: number[], bytes: Uint8Array<ArrayBuffer>}} Tensor */

/** The most rows and columns of a picture; of larger arrays it shows elements at equal distances. */
const MOST_PIXELS = 384;
/** The width and the height of a picture on the page. */
const FRAME_REM = 26;
/** The most that one side of a picture has of the other; those of longer arrays are stretched, so that one sees them. */
const MOST_ASPECT = 13;
/** The most elements that are shown as bars or in a table. */
const MOST_BARS = 256;
const MOST_CELLS = 200;

/** Colours of the heat map, from the least to the greatest value: viridis. */
const COLOURS = ["440154", "472c7a", "3b518b", "2c718e", "21908d", "27ad81", "5cc863", "aadc32", "fde725"].map((hex) =>
  [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

/** @param {number} share Between 0 and 1. @returns {number[]} Red, green and blue. */
function colourOf(share) {
  const place = share * (COLOURS.length - 1);
  const k = Math.min(COLOURS.length - 2, Math.floor(place));
  return COLOURS[k].map((from, part) => from + (COLOURS[k + 1][part] - from) * (place - k));
}

/** @param {Tensor} tensor Returns least, greatest and mean of the finite elements, and how many are not finite. If none is, least is above greatest. */
export function summaryOf({ dtype, bytes }) {
  const view = viewOf(bytes);
  const numel = bytes.length / dtype.itemsize;
  /** @type {[number | bigint, number | bigint]} Integers of 64 bits are compared as they are. */
  let [least, greatest] = [Infinity, -Infinity];
  let [sum, nan, infinite] = [0, 0, 0];
  for (let k = 0; k < numel; ++k) {
    const value = dtype.parts === 1 ? dtype.read(view, k * dtype.itemsize) : numberAt(dtype, view, k);
    if (Number.isNaN(value)) ++nan;
    else if (Math.abs(Number(value)) === Infinity) ++infinite;
    else {
      if (value < least) least = value;
      if (value > greatest) greatest = value;
      sum += Number(value);
    }
  }
  return { least, greatest, mean: sum / (numel - nan - infinite), nan, infinite };
}

/** @param {Tensor} tensor Returns the channels of pixels, if the tensor may be an image: uint8, 3 or 4 in the last place. */
export function channelsOf({ dtype, shape }) {
  const last = shape.at(-1) ?? 0;
  return dtype.name === "uint8" && shape.length >= 3 && (last === 3 || last === 4) ? last : 0;
}

/**
 * Returns what says where a number lies between two others, as a share: 0 below them, 1 above. Where no number is finite,
 * least is above greatest.
 * @param {number} least @param {number} greatest
 */
function shareWithin(least, greatest) {
  const scale = greatest - least === Infinity ? 0.5 : 1; // The widest range of doubles is twice what one holds.
  const bottom = least <= greatest ? least * scale : 0;
  const span = least < greatest ? greatest * scale - bottom : 1;
  return (/** @type {number} */ value) => Math.min(1, Math.max(0, (value * scale - bottom) / span));
}

/**
 * Draws rows and columns of a tensor.
 * @param {Tensor} tensor @param {number} offset Where the elements begin, in elements. @param {string} label
 * @param {{least: number | bigint, greatest: number | bigint}} range
 */
function draw(tensor, offset, label, { least, greatest }) {
  const channels = channelsOf(tensor);
  const [rows, columns] = (channels ? tensor.shape.slice(0, -1) : tensor.shape).slice(-2);
  const [height, width] = [Math.min(rows, MOST_PIXELS), Math.min(columns, MOST_PIXELS)];
  const canvas = h("canvas", { role: "img", "aria-label": label, width, height, class: "picture" });
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(width, height);
  const view = viewOf(tensor.bytes);
  const shareOf = shareWithin(Number(least), Number(greatest));
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x) {
      const element = Math.floor((y * rows) / height) * columns + Math.floor((x * columns) / width);
      const pixel = 4 * (y * width + x);
      if (channels) {
        const at = offset + element * channels;
        for (let part = 0; part < 4; ++part) image.data[pixel + part] = part < channels ? tensor.bytes[at + part] : 255;
        continue;
      }
      const value = numberAt(tensor.dtype, view, offset + element);
      if (Number.isNaN(value)) continue; // Transparent.
      image.data.set(colourOf(shareOf(value)), pixel);
      image.data[pixel + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  const aspect = Math.min(MOST_ASPECT, Math.max(1 / MOST_ASPECT, columns / rows));
  canvas.style.aspectRatio = String(aspect);
  canvas.style.width = `min(100%, ${FRAME_REM * Math.min(1, aspect)}rem)`;
  return canvas;
}

/** @param {Tensor} tensor @param {string} name Returns a picture of two dimensions, and fields that choose the others. */
function heatMap(tensor, name) {
  const range = summaryOf(tensor);
  const channels = channelsOf(tensor);
  const shape = channels ? tensor.shape.slice(0, -1) : tensor.shape;
  const outer = shape.slice(0, -2);
  const plane = numelOf(tensor.shape.slice(outer.length));
  const chosen = outer.map(() => 0);
  const label = `${channels ? "Image" : "Heat map"} of ${name}`;
  const frame = h("div", { class: "frame" });
  const show = () => {
    const index = chosen.reduce((sum, at, d) => sum * outer[d] + at, 0);
    frame.replaceChildren(draw(tensor, index * plane, label, range));
  };
  const fields = outer.map((size, d) => {
    const field = h("input", { type: "number", min: 0, max: size - 1, value: 0, input: () => {
      const value = Math.trunc(Number(field.value));
      if (value < 0 || value >= size) return;
      chosen[d] = value;
      show();
    } });
    return size > 1 ? h("label", {}, `index ${d} `, field) : null;
  });
  show();
  const legend = channels || range.least > range.greatest ? null
    : h("div", { class: "legend" }, numberText(range.least), h("span", { class: "ramp" }), numberText(range.greatest));
  return h("div", {}, h("div", { class: "row" }, ...fields), frame, legend);
}

/** @param {Tensor} tensor @param {string} name Returns the first elements as text, row by row. */
export function elementTable({ dtype, shape, bytes }, name) {
  const view = viewOf(bytes);
  const numel = bytes.length / dtype.itemsize;
  const width = Math.min(shape.at(-1) ?? 1, 12) || 1;
  const columns = shape.length ? shape[shape.length - 1] : 1;
  const rows = [];
  for (let row = 0; row * columns < numel && (row + 1) * width <= Math.max(width, MOST_CELLS); ++row) {
    const cells = Array.from({ length: width }, (_, k) => textAt(dtype, view, row * columns + k));
    rows.push([String(row), ...cells, ...(width < columns ? ["…"] : [])]);
  }
  const heads = ["#row", ...Array.from({ length: width }, (_, k) => `#${k}`), ...(width < columns ? ["…"] : [])];
  const shown = rows.length * columns < numel ? h("p", { class: "note" }, `The first ${rows.length} of ${numel / columns} rows.`) : null;
  return h("div", {}, table(`Elements of ${name}`, heads, rows), shown);
}

/** @param {Tensor} tensor @param {string} name Returns what shows a tensor best. */
export function pictureOf(tensor, name) {
  const { dtype, shape, bytes } = tensor;
  const numel = bytes.length / dtype.itemsize;
  if (numel === 0) return h("p", { class: "note" }, "There are no elements to show.");
  const view = viewOf(bytes);
  if (numel === 1) return h("p", { class: "value" }, textAt(dtype, view, 0));
  const wide = shape.filter((size) => size > 1);
  if (wide.length >= 2) return heatMap(tensor, name);
  const count = Math.min(numel, MOST_BARS);
  const places = Array.from({ length: count }, (_, k) => Math.floor((k * numel) / count));
  const label = count < numel ? `Bars of ${count} elements of ${name}, at equal distances` : `Bars of ${name}`;
  return bars(places.map((at) => numberAt(dtype, view, at)), label, (k) => `${places[k]}: ${textAt(dtype, view, places[k])}`);
}

/** @param {{nan: number, infinite: number}} summary Returns how many elements are no numbers, or nothing. */
export function oddities({ nan, infinite }) {
  const texts = [nan && `${nan} NaN`, infinite && `${infinite} infinite`].filter(Boolean);
  return texts.length ? badge("warn", texts.join(", ")) : null;
}
