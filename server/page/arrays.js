// Arrays as they stand in files, and the elements that the server makes of them.

/** @typedef {import("./dtypes.js").DType} DType */

/**
 * One array of a file. `dtype` is null where the file does not say what its elements are, as NumPy's `<V2` does.
 * @typedef {object} NamedArray
 * @property {string} name
 * @property {DType | null} dtype
 * @property {string} source The dtype as the file states it, such as `>f4`.
 * @property {number} itemsize Bytes per element.
 * @property {number[]} shape
 * @property {boolean} fortran Whether the first dimension is the one whose elements lie next to each other.
 * @property {boolean} swapped Whether the elements are big-endian.
 * @property {Uint8Array<ArrayBuffer>} bytes The elements as they stand in the file.
 * @property {import("./image.js").Layout} [layout] How an image's pixels were laid out anew.
 */

/** FormatError is what is wrong with a file. */
export class FormatError extends Error {}

/** Members are the arrays of a file that has several, and what is wrong with those of its members that are none. */
export class Members {
  /** @type {NamedArray[]} */
  arrays = [];
  /** @type {string[]} */
  wrong = [];

  /** @param {string} name @param {() => NamedArray | Promise<NamedArray>} read Takes an array, or notes what is wrong with it alone. */
  async add(name, read) {
    try {
      this.arrays.push(await read());
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.wrong.push(`'${name}': ${error.message}`);
    }
  }

  /** Returns the arrays, with notes about the rest. Throws if there is nothing but a rest. */
  all() {
    if (!this.arrays.length && this.wrong.length) throw new FormatError(this.wrong[0]);
    return { arrays: this.arrays, notes: this.wrong.map((text) => `Left out: ${text}`) };
  }
}

/** @param {number[]} shape Returns the number of elements; Infinity where it is beyond what a number counts exactly. */
export function numelOf(shape) {
  const numel = shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, 1);
  return Number.isSafeInteger(numel) ? numel : Infinity;
}

/** @param {number[]} shape Returns a shape as NumPy prints it. */
export const shapeText = (shape) => (shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`);

/** @param {Uint8Array} bytes @param {number} width Returns the bytes with each `width` of them reversed. */
function swap(bytes, width) {
  const swapped = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += width) {
    for (let k = 0; k < width; ++k) swapped[at + k] = bytes[at + width - 1 - k];
  }
  return swapped;
}

/** @param {Uint8Array<ArrayBuffer>} bytes @param {number[]} shape @param {number} itemsize Changes Fortran to C order. */
function toRowMajor(bytes, shape, itemsize) {
  const result = new Uint8Array(bytes.length);
  const index = new Array(shape.length).fill(0);
  const numel = bytes.length / itemsize;
  const strides = shape.map((_, d) => shape.slice(0, d).reduce((product, size) => product * size, itemsize));
  let from = 0;
  for (let element = 0; element < numel; ++element) {
    const to = element * itemsize;
    for (let k = 0; k < itemsize; ++k) result[to + k] = bytes[from + k];
    for (let d = shape.length - 1; d >= 0; --d) {
      from += strides[d];
      if (++index[d] < shape[d]) break;
      from -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
  return result;
}

/**
 * Returns the elements that the tensor should hold: in C order, little-endian, and bools as 0 and 1. The server's digest
 * is taken over these bytes.
 * @param {NamedArray} array An array whose dtype is known.
 * @returns {Uint8Array<ArrayBuffer>} The array's own bytes where nothing had to be changed.
 */
export function elementsOf(array) {
  const { dtype, shape } = array;
  if (!dtype) throw new FormatError(`the file does not say what the elements of '${array.name}' are`);
  let { bytes } = array;
  if (array.swapped && dtype.itemsize > dtype.parts) bytes = swap(bytes, dtype.itemsize / dtype.parts);
  if (array.fortran && shape.length > 1) bytes = toRowMajor(bytes, shape, dtype.itemsize);
  if (dtype.name === "bool" && bytes.some((byte) => byte > 1)) bytes = bytes.map((byte) => (byte ? 1 : 0));
  return bytes;
}

/** @param {NamedArray} array Returns whether somebody chose the dtype, as the file says how large elements are and not what. */
export const isChosen = (array) => array.dtype !== null && /^[<>=|]?[VW]\d|^<f1/.test(array.source);

/** @param {Uint8Array} bytes */
export const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** @param {Uint8Array} a @param {Uint8Array} b Returns whether two arrays of bytes are the same, bit for bit. */
export function equalBytes(a, b) {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
