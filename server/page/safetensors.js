// Reads safetensors files: the length of a JSON header in 8 bytes, the header, and the elements.
import { FormatError, Members, numelOf, shapeText } from "./arrays.js";
import { dtypeBySafetensors } from "./dtypes.js";

/** The most bytes that the format allows its header. */
const MOST_HEADER_BYTES = 100_000_000;

/** @param {Uint8Array} bytes Returns whether the bytes begin as a safetensors file does. */
export function isSafetensors(bytes) {
  if (bytes.length < 10) return false;
  const size = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  return size <= BigInt(Math.min(bytes.length - 8, MOST_HEADER_BYTES)) && bytes[8] === 0x7b;
}

/** @param {string} name @param {any} entry @param {Uint8Array<ArrayBuffer>} data @returns {import("./arrays.js").NamedArray} */
function readTensor(name, entry, data) {
  const { dtype: source, shape, data_offsets: offsets } = entry ?? {};
  const isSize = (/** @type {unknown} */ size) => Number.isSafeInteger(size) && Number(size) >= 0;
  const sizes = [shape, offsets].every((list) => Array.isArray(list) && list.every(isSize));
  if (typeof source !== "string" || !sizes || offsets.length !== 2) {
    throw new FormatError("the header of the safetensors file does not describe it");
  }
  const [begin, end] = offsets;
  if (begin > end || end > data.length) throw new FormatError("it lies beyond the end of the file");
  const dtype = dtypeBySafetensors(source);
  if (!dtype) throw new FormatError(`${source} is no dtype of a tensor here`);
  const expected = numelOf(shape) * dtype.itemsize;
  if (end - begin !== expected) {
    throw new FormatError(`${source} with shape ${shapeText(shape)} needs ${expected} bytes, it has ${end - begin}`);
  }
  const bytes = data.subarray(begin, end);
  return { name, dtype, source, itemsize: dtype.itemsize, shape, fortran: false, swapped: false, bytes };
}

/** @param {Uint8Array<ArrayBuffer>} file A tensor that is no array here costs the others nothing. */
export async function readSafetensors(file) {
  if (!isSafetensors(file)) throw new FormatError("this is no safetensors file");
  const size = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  /** @type {Record<string, unknown>} */
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(file.subarray(8, 8 + size)));
  } catch {
    throw new FormatError("the header of the safetensors file is not JSON");
  }
  const data = file.subarray(8 + size);
  const members = new Members();
  for (const [name, entry] of Object.entries(header)) {
    if (name !== "__metadata__") await members.add(name, () => readTensor(name, entry, data));
  }
  return members.all();
}
