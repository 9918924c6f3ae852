// Reads .npz files: zip archives of .npy files, stored or deflated, with ZIP64's sizes where numpy writes them.
import { FormatError, Members } from "./arrays.js";
import { crc32 } from "./crc32.js";
import { readNpy } from "./npy.js";

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;

/** The most bytes that one member may have once it is inflated. */
const MOST_BYTES = 1 << 30;

/** @param {Uint8Array} bytes */
export const isZip = (bytes) => bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);

/** @param {DataView} view Returns the place of the record that ends the archive. */
function endOf(view) {
  for (let at = view.byteLength - 22; at >= Math.max(0, view.byteLength - 22 - 0xffff); --at) {
    if (view.getUint32(at, true) === END) return at;
  }
  throw new FormatError("the archive has no end: the file may have been cut");
}

/**
 * @param {Uint8Array<ArrayBuffer>} data @param {number} size Bytes that the archive promises.
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function inflate(data, size) {
  if (size > MOST_BYTES) throw new FormatError(`a member of the archive has ${size} bytes; the page reads ${MOST_BYTES}`);
  const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const result = new Uint8Array(size);
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new FormatError("a member of the archive cannot be inflated");
    });
    if (done) break;
    if (at + value.length > size) throw new FormatError("a member of the archive is larger than the archive says");
    result.set(value, at);
    at += value.length;
  }
  if (at !== size) throw new FormatError(`a member of the archive has ${at} bytes, and should have ${size}`);
  return result;
}

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {number} method 0 if stored, 8 if deflated.
 * @property {number} compressed Bytes in the archive.
 * @property {number} size Bytes once inflated.
 * @property {number} crc Of the bytes once inflated.
 * @property {number} local Place of the member's own header.
 * @property {number} next Place of the next entry.
 */

/** @param {DataView} view @param {Entry} entry @param {number} at @param {number} end Reads the sizes beyond 32 bits. */
function readZip64(view, entry, at, end) {
  while (at + 4 <= end) {
    const size = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === 1) {
      let field = at + 4;
      for (const key of /** @type {const} */ (["size", "compressed", "local"])) {
        if (entry[key] !== 0xffffffff) continue;
        entry[key] = Number(view.getBigUint64(field, true));
        field += 8;
      }
    }
    at += 4 + size;
  }
}

/** @param {DataView} view @param {number} at @returns {Entry} */
function readEntry(view, at) {
  if (view.getUint32(at, true) !== ENTRY) throw new FormatError("the archive's list of members is damaged");
  const nameSize = view.getUint16(at + 28, true);
  const extraSize = view.getUint16(at + 30, true);
  const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameSize));
  const entry = {
    name,
    method: view.getUint16(at + 10, true),
    crc: view.getUint32(at + 16, true),
    compressed: view.getUint32(at + 20, true),
    size: view.getUint32(at + 24, true),
    local: view.getUint32(at + 42, true),
    next: at + 46 + nameSize + extraSize + view.getUint16(at + 32, true),
  };
  readZip64(view, entry, at + 46 + nameSize, at + 46 + nameSize + extraSize);
  return entry;
}

/** @param {Uint8Array<ArrayBuffer>} file @param {DataView} view @param {Entry} entry */
async function contentOf(file, view, entry) {
  if (view.getUint32(entry.local, true) !== LOCAL) throw new FormatError(`the archive's member '${entry.name}' is damaged`);
  const start = entry.local + 30 + view.getUint16(entry.local + 26, true) + view.getUint16(entry.local + 28, true);
  const data = file.subarray(start, start + entry.compressed);
  if (data.length !== entry.compressed) throw new FormatError(`the archive ends within '${entry.name}'`);
  if (entry.method !== 0 && entry.method !== 8) {
    throw new FormatError(`'${entry.name}' is compressed by method ${entry.method}: expected 0 (stored) or 8 (deflated)`);
  }
  const content = entry.method === 0 ? data : await inflate(data, entry.size);
  if (crc32(content) !== entry.crc) throw new FormatError("its checksum differs: the archive is damaged");
  return content;
}

/** @param {Uint8Array<ArrayBuffer>} file A member that is no array costs the others nothing. */
export async function readNpz(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  try {
    const end = endOf(view);
    let at = view.getUint32(end + 16, true);
    const members = new Members();
    for (let count = view.getUint16(end + 10, true); count > 0; --count) {
      const entry = readEntry(view, at);
      at = entry.next;
      if (!entry.name.endsWith(".npy")) continue;
      const name = entry.name.slice(0, -4);
      await members.add(name, async () => readNpy(name, await contentOf(file, view, entry)));
    }
    return members.all();
  } catch (error) {
    if (error instanceof RangeError) throw new FormatError("the archive points beyond its end");
    throw error;
  }
}
