// Makes an array of an image: uint8, rows by columns by red, green and blue, as Pillow's convert("RGB") gives.
import { FormatError } from "./arrays.js";
import { dtypeByName } from "./dtypes.js";

/** @typedef {import("./arrays.js").NamedArray} NamedArray */
/** How a model may want an image. @typedef {{first: boolean, scaled: boolean, batch: boolean}} Layout */

/** @param {string} name @param {"uint8" | "float32"} type @param {number[]} shape @param {Uint8Array<ArrayBuffer>} bytes @returns {NamedArray} */
function arrayOf(name, type, shape, bytes) {
  const dtype = dtypeByName(type) ?? null;
  return { name, dtype, source: type === "uint8" ? "|u1" : "<f4", itemsize: dtype?.itemsize ?? 1, shape, fortran: false, swapped: false, bytes };
}

const TRANSPARENT = "The image has transparent pixels, whose colours the browser rounds or drops; Pillow keeps those of the file.";

/** @param {Blob} file @param {string} name @returns {Promise<{arrays: NamedArray[], notes: string[]}>} */
export async function readImage(file, name) {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: "none", colorSpaceConversion: "none" }).catch(() => {
    throw new FormatError(`this browser cannot read '${name}' as an image`);
  });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new FormatError("this browser gives the page no canvas");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const pixels = new Uint8Array((data.length / 4) * 3);
  let opaque = true;
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    pixels[to] = data[from];
    pixels[to + 1] = data[from + 1];
    pixels[to + 2] = data[from + 2];
    opaque &&= data[from + 3] === 255;
  }
  const array = arrayOf(name.replace(/\.[^.]+$/, ""), "uint8", [bitmap.height, bitmap.width, 3], pixels);
  return { arrays: [array], notes: opaque ? [] : [TRANSPARENT] };
}

/** @param {NamedArray} image As readImage has made it. @param {Layout} layout @returns {NamedArray} */
export function layOut(image, { first, scaled, batch }) {
  const [height, width, channels] = image.shape;
  const plane = height * width;
  const from = image.bytes;
  const bytes = new Uint8Array(from.length * (scaled ? 4 : 1));
  const view = new DataView(bytes.buffer);
  for (let pixel = 0; pixel < plane; ++pixel) {
    for (let part = 0; part < channels; ++part) {
      const value = from[pixel * channels + part];
      const to = first ? part * plane + pixel : pixel * channels + part;
      if (scaled) view.setFloat32(to * 4, value / 255, true);
      else bytes[to] = value;
    }
  }
  const shape = [...(batch ? [1] : []), ...(first ? [channels, height, width] : [height, width, channels])];
  return { ...arrayOf(image.name, scaled ? "float32" : "uint8", shape, bytes), layout: { first, scaled, batch } };
}
