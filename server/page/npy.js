// Reads and writes .npy files (versions 1.0, 2.0 and 3.0). The header is read by a tokenizer: nothing is evaluated.
import { FormatError, numelOf, shapeText } from "./arrays.js";
import { dtypeByDescr, dtypeByName } from "./dtypes.js";

/** @typedef {import("./arrays.js").NamedArray} NamedArray */

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // "\x93NUMPY"

/** @param {Uint8Array} bytes */
export const isNpy = (bytes) => MAGIC.every((byte, at) => bytes[at] === byte);

const TOKEN = /\s*(?:'([^'\\]*)'|"([^"\\]*)"|(True|False)\b|(\d+)L?|([{}():,[\]]))/y;

/** @param {string} text @returns {(string | number | boolean | {text: string})[]} */
function tokenize(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new FormatError(`the header of the .npy file makes no sense from character ${at} on`);
    const [, single, double, truth, number, sign] = match;
    if (sign !== undefined) tokens.push(sign);
    else if (truth !== undefined) tokens.push(truth === "True");
    else if (number !== undefined) tokens.push(Number(number));
    else tokens.push({ text: single ?? double });
  }
  return tokens;
}

/**
 * @param {string} text The dictionary, as Python prints it.
 * @returns {{descr: string, fortran: boolean, shape: number[]}}
 */
export function parseHeader(text) {
  const tokens = tokenize(text);
  let at = 0;
  const fail = () => new FormatError("the header of the .npy file is not a dictionary of descr, fortran_order and shape");
  /** @param {string} sign */
  const take = (sign) => {
    if (tokens[at++] !== sign) throw fail();
  };
  const shape = () => {
    const sizes = [];
    take("(");
    while (tokens[at] !== ")") {
      const size = tokens[at++];
      if (typeof size !== "number" || !Number.isSafeInteger(size)) throw fail();
      sizes.push(size);
      if (tokens[at] !== ")") take(",");
    }
    take(")");
    return sizes;
  };
  /** @type {Map<string, any>} */
  const found = new Map();
  take("{");
  while (tokens[at] !== "}") {
    const key = tokens[at++];
    if (typeof key !== "object" || found.has(key.text)) throw fail();
    take(":");
    if (key.text === "shape") found.set("shape", shape());
    else if (key.text === "descr" && tokens[at] === "[") throw new FormatError("structured arrays are not tensors");
    else if (key.text === "fortran_order" || key.text === "descr") found.set(key.text, tokens[at++]);
    else throw fail();
    if (tokens[at] !== "}") take(",");
  }
  if (tokens.length !== at + 1) throw fail();
  const descr = found.get("descr");
  const fortran = found.get("fortran_order");
  if (typeof descr !== "object" || typeof fortran !== "boolean" || !found.has("shape")) throw fail();
  return { descr: descr.text, fortran, shape: found.get("shape") };
}

/** @param {string} descr @param {number} nbytes @param {number} numel Returns the bytes of one element. */
function itemsizeOf(descr, nbytes, numel) {
  const size = /^[<>=|]?[A-Za-z](\d+)$/.exec(descr);
  return size ? Number(size[1]) : numel ? nbytes / numel : 0;
}

/** @param {string} name @param {Uint8Array<ArrayBuffer>} file @returns {NamedArray} */
export function readNpy(name, file) {
  if (!isNpy(file)) throw new FormatError("this is no .npy file: it does not begin with \\x93NUMPY");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const wide = file[6] > 1;
  if (file[6] < 1 || file[6] > 3) throw new FormatError(`version ${file[6]}.${file[7]} of .npy: expected 1.0, 2.0 or 3.0`);
  if (file.length < (wide ? 12 : 10)) throw new FormatError("the .npy file ends within its header");
  const start = wide ? 12 : 10;
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (end > file.length) throw new FormatError("the .npy file ends within its header");
  const { descr, fortran, shape } = parseHeader(new TextDecoder().decode(file.subarray(start, end)));
  const bytes = file.subarray(end);
  const dtype = dtypeByName(descr) ?? dtypeByDescr(descr.replace(/^[<>=|]/, "")) ?? null;
  const itemsize = dtype?.itemsize ?? itemsizeOf(descr, bytes.length, numelOf(shape));
  const expected = numelOf(shape) * itemsize;
  if (/O/.test(descr)) throw new FormatError("an array of Python objects is no tensor");
  if (!dtype && !/^[<>=|]?[VW]\d+$/.test(descr)) throw new FormatError(`${descr} is no dtype of a tensor`);
  if (bytes.length !== expected) {
    throw new FormatError(`${descr} with shape ${shapeText(shape)} needs ${expected} bytes, the file has ${bytes.length}`);
  }
  return { name, dtype, source: descr, itemsize, shape, fortran, swapped: descr.startsWith(">"), bytes };
}

/**
 * Returns a .npy file of version 1.0, whose elements begin at a multiple of 64 bytes as NumPy's do.
 * @param {string} descr @param {number[]} shape @param {Uint8Array} elements In the order that `descr` and `fortran` say.
 * @param {boolean} [fortran] Whether elements are in Fortran order.
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function writeNpy(descr, shape, elements, fortran = false) {
  const order = fortran ? "True" : "False";
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shapeText(shape)}, }`;
  const header = text + " ".repeat(63 - ((10 + text.length) % 64)) + "\n";
  const file = new Uint8Array(10 + header.length + elements.length);
  file.set([...MAGIC, 1, 0, header.length & 0xff, header.length >> 8]);
  file.set(new TextEncoder().encode(header), 10);
  file.set(elements, 10 + header.length);
  return file;
}
