// Finds out what a file is, and reads the arrays in it.
import { FormatError } from "./arrays.js";
import { isNpy, readNpy } from "./npy.js";
import { isZip, readNpz } from "./npz.js";
import { isSafetensors, readSafetensors } from "./safetensors.js";

/** @typedef {import("./arrays.js").NamedArray} NamedArray */
/** @typedef {".npy" | ".npz" | "safetensors" | "image"} FileKind */

/**
 * @typedef {object} ArrayFile
 * @property {string} name
 * @property {FileKind} kind
 * @property {Uint8Array<ArrayBuffer>} bytes The whole file.
 * @property {NamedArray[]} arrays
 * @property {string[]} [notes] What else is to be said of it.
 */

/** @param {string} name Returns a file's name without folder and ending, which names its array. */
const stem = (name) => name.replace(/^.*\//, "").replace(/\.[^.]+$/, "");

/**
 * @param {string} name @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<ArrayFile>}
 */
export async function readFile(name, bytes) {
  if (!bytes.length) throw new FormatError(`'${name}' is empty`);
  if (isNpy(bytes)) return { name, kind: ".npy", bytes, arrays: [readNpy(stem(name), bytes)] };
  if (isZip(bytes)) return { name, kind: ".npz", bytes, ...(await readNpz(bytes)) };
  if (isSafetensors(bytes)) return { name, kind: "safetensors", bytes, ...(await readSafetensors(bytes)) };
  throw new FormatError(`'${name}' is none of .npy, .npz, safetensors and the images that this browser shows`);
}
