// XXH3-128 with seed 0, the digest of receipts (docs/adr/0005), after the specification by Yann Collet:
// https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md

const SECRET_HEX =
  "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221" +
  "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8" +
  "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb" +
  "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e";
const SECRET = Uint8Array.from(SECRET_HEX.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const SECRET_VIEW = new DataView(SECRET.buffer);

const M64 = (1n << 64n) - 1n;
const P32 = [0x9e3779b1n, 0x85ebca77n, 0xc2b2ae3dn];
const P64 = [0x9e3779b185ebca87n, 0xc2b2ae3d27d4eb4fn, 0x165667b19e3779f9n, 0x85ebca77c2b2ae63n, 0x27d4eb2f165667c5n];

/** @param {number} at */
const secret = (at) => SECRET_VIEW.getBigUint64(at, true);

/** @param {bigint} a @param {bigint} b Returns the halves of the product, folded. */
function fold(a, b) {
  const product = a * b;
  return (product & M64) ^ (product >> 64n);
}

/** @param {bigint} value @param {number} bytes */
function reverse(value, bytes) {
  let result = 0n;
  for (let k = 0; k < bytes; ++k) result = (result << 8n) | ((value >> BigInt(8 * k)) & 255n);
  return result;
}

/** @param {bigint} hash */
function avalanche(hash) {
  hash ^= hash >> 37n;
  hash = (hash * 0x165667919e3779f9n) & M64;
  return hash ^ (hash >> 32n);
}

/** @param {bigint} hash */
function avalancheXxh64(hash) {
  hash = ((hash ^ (hash >> 33n)) * P64[1]) & M64;
  hash = ((hash ^ (hash >> 29n)) * P64[2]) & M64;
  return hash ^ (hash >> 32n);
}

/** A digest's halves: the low one and the high one. @typedef {[bigint, bigint]} Halves */

/** @param {DataView} v @returns {Halves} */
function upTo3(v) {
  const length = v.byteLength;
  const [a, b, c] = [v.getUint8(0), v.getUint8(length >> 1), v.getUint8(length - 1)];
  const low = BigInt(((a << 16) | (b << 24) | c | (length << 8)) >>> 0);
  const swapped = reverse(low, 4);
  const high = ((swapped << 13n) | (swapped >> 19n)) & 0xffffffffn;
  const word = (/** @type {number} */ at) => BigInt(SECRET_VIEW.getUint32(at, true));
  return [avalancheXxh64(low ^ word(0) ^ word(4)), avalancheXxh64(high ^ word(8) ^ word(12))];
}

/** @param {DataView} v @returns {Halves} */
function upTo8(v) {
  const length = v.byteLength;
  const input = BigInt(v.getUint32(0, true)) | (BigInt(v.getUint32(length - 4, true)) << 32n);
  const product = (input ^ secret(16) ^ secret(24)) * (P64[0] + BigInt(length << 2));
  let low = product & M64;
  const high = ((product >> 64n) + (low << 1n)) & M64;
  low ^= high >> 3n;
  low ^= low >> 35n;
  low = (low * 0x9fb21c651e98df25n) & M64;
  low ^= low >> 28n;
  return [low, avalanche(high)];
}

/** @param {DataView} v @returns {Halves} */
function upTo16(v) {
  const length = v.byteLength;
  const first = v.getBigUint64(0, true);
  const last = v.getBigUint64(length - 8, true);
  const product = (first ^ last ^ secret(32) ^ secret(40)) * P64[0];
  const flipped = last ^ secret(48) ^ secret(56);
  let low = ((product & M64) + (BigInt(length - 1) << 54n)) & M64;
  const high = ((product >> 64n) + flipped + (flipped & 0xffffffffn) * (P32[1] - 1n)) & M64;
  low ^= reverse(high, 8);
  const mixed = low * P64[1];
  return [avalanche(mixed & M64), avalanche(((mixed >> 64n) + high * P64[1]) & M64)];
}

/** @param {DataView} v @param {number} at @param {number} key */
const mix16 = (v, at, key) => fold(v.getBigUint64(at, true) ^ secret(key), v.getBigUint64(at + 8, true) ^ secret(key + 8));

/** @param {DataView} v @param {Halves} acc @param {number} a @param {number} b @param {number} key @returns {Halves} */
function mix32(v, [low, high], a, b, key) {
  const sum = (/** @type {number} */ at) => (v.getBigUint64(at, true) + v.getBigUint64(at + 8, true)) & M64;
  return [((low + mix16(v, a, key)) & M64) ^ sum(b), ((high + mix16(v, b, key + 16)) & M64) ^ sum(a)];
}

/** @param {Halves} acc @param {number} length @returns {Halves} */
function finish([low, high], length) {
  const mixed = (low * P64[0] + high * P64[3] + BigInt(length) * P64[1]) & M64;
  return [avalanche((low + high) & M64), -avalanche(mixed) & M64];
}

/** @param {DataView} v @returns {Halves} */
function upTo128(v) {
  const length = v.byteLength;
  /** @type {Halves} */
  let acc = [(BigInt(length) * P64[0]) & M64, 0n];
  for (let k = Math.floor((length - 1) / 32); k >= 0; --k) acc = mix32(v, acc, 16 * k, length - 16 * (k + 1), 32 * k);
  return finish(acc, length);
}

/** @param {DataView} v @returns {Halves} */
function upTo240(v) {
  const length = v.byteLength;
  /** @type {Halves} */
  let acc = [(BigInt(length) * P64[0]) & M64, 0n];
  for (let k = 0; k < 4; ++k) acc = mix32(v, acc, 32 * k, 32 * k + 16, 32 * k);
  acc = [avalanche(acc[0]), avalanche(acc[1])];
  for (let k = 4; k < length >> 5; ++k) acc = mix32(v, acc, 32 * k, 32 * k + 16, 3 + 32 * (k - 4));
  return finish(mix32(v, acc, length - 16, length - 32, 103), length);
}

// The accumulators of long inputs are pairs of 32 bits, low word first: BigInts would be ten times slower.
const LANES = 8;
const STRIPE = 64;
const STRIPES_PER_BLOCK = 16;
const TWO32 = 0x100000000;

/** @param {Uint32Array} acc @param {number} lane @param {number} low @param {number} high Adds 64 bits to a lane. */
function add(acc, lane, low, high) {
  const sum = acc[2 * lane] + low;
  acc[2 * lane] = sum;
  acc[2 * lane + 1] += high + (sum >= TWO32 ? 1 : 0);
}

/** @param {Uint32Array} acc @param {DataView} v @param {number} at @param {number} key Takes one stripe in. */
function accumulate(acc, v, at, key) {
  for (let lane = 0; lane < LANES; ++lane) {
    const low = v.getUint32(at + 8 * lane, true);
    const high = v.getUint32(at + 8 * lane + 4, true);
    const a = (low ^ SECRET_VIEW.getUint32(key + 8 * lane, true)) >>> 0;
    const b = (high ^ SECRET_VIEW.getUint32(key + 8 * lane + 4, true)) >>> 0;
    add(acc, lane ^ 1, low, high);
    const upper = (a >>> 16) * b;
    const lower = (a & 0xffff) * b + (upper & 0xffff) * 0x10000;
    add(acc, lane, lower >>> 0, Math.floor(upper / 0x10000) + Math.floor(lower / TWO32));
  }
}

/** @param {Uint32Array} acc Mixes the accumulators at the end of a block. */
function scramble(acc) {
  for (let lane = 0; lane < LANES; ++lane) {
    let value = BigInt(acc[2 * lane]) | (BigInt(acc[2 * lane + 1]) << 32n);
    value ^= value >> 47n;
    value = ((value ^ secret(SECRET.length - STRIPE + 8 * lane)) * P32[0]) & M64;
    acc[2 * lane] = Number(value & 0xffffffffn);
    acc[2 * lane + 1] = Number(value >> 32n);
  }
}

/** @param {DataView} v @returns {Halves} */
function long(v) {
  const length = v.byteLength;
  const start = [P32[2], P64[0], P64[1], P64[2], P64[3], P32[1], P64[4], P32[0]];
  const acc = Uint32Array.from(start.flatMap((word) => [Number(word & 0xffffffffn), Number(word >> 32n)]));
  const stripes = Math.floor((length - 1) / STRIPE);
  for (let stripe = 0; stripe < stripes; ++stripe) {
    const inBlock = stripe % STRIPES_PER_BLOCK;
    accumulate(acc, v, stripe * STRIPE, 8 * inBlock);
    if (inBlock === STRIPES_PER_BLOCK - 1) scramble(acc);
  }
  accumulate(acc, v, length - STRIPE, SECRET.length - STRIPE - 7);
  const lane = (/** @type {number} */ k) => BigInt(acc[2 * k]) | (BigInt(acc[2 * k + 1]) << 32n);
  const merge = (/** @type {number} */ key, /** @type {bigint} */ from) => {
    let sum = from & M64;
    for (let k = 0; k < 4; ++k) {
      sum += fold(lane(2 * k) ^ secret(key + 16 * k), lane(2 * k + 1) ^ secret(key + 16 * k + 8));
    }
    return avalanche(sum & M64);
  };
  const size = BigInt(length);
  return [merge(11, size * P64[0]), merge(SECRET.length - STRIPE - 11, ~(size * P64[1]))];
}

/** @param {DataView} v @returns {Halves} */
function halvesOf(v) {
  const length = v.byteLength;
  if (length === 0) {
    return [avalancheXxh64(secret(64) ^ secret(72)), avalancheXxh64(secret(80) ^ secret(88))];
  }
  if (length <= 3) return upTo3(v);
  if (length <= 8) return upTo8(v);
  if (length <= 16) return upTo16(v);
  if (length <= 128) return upTo128(v);
  return length <= 240 ? upTo240(v) : long(v);
}

/** @param {Uint8Array} bytes Returns the digest in hexadecimal, as receipts show it. */
export function xxh3Hex(bytes) {
  const [low, high] = halvesOf(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return high.toString(16).padStart(16, "0") + low.toString(16).padStart(16, "0");
}
