// The element types, as server/payload/dtype.h has them, and how to read an element of each.

/**
 * @typedef {object} DType
 * @property {string} name NumPy's or ml_dtypes's name, which is torch's without "torch.".
 * @property {string} oip The name in the Open Inference Protocol.
 * @property {string} safetensors The name in a safetensors file; empty where the format has none.
 * @property {string} descr NumPy's type string without the byte order; empty where NumPy has no unambiguous one.
 * @property {number} itemsize Bytes per element.
 * @property {number} parts Numbers per element: 2 if it is complex.
 * @property {(view: DataView, at: number) => number | bigint} read Reads one number, little-endian, at a byte.
 */

/**
 * A format of binary floating point numbers.
 * @typedef {object} FloatFormat
 * @property {number} exponent Bits of the exponent.
 * @property {number} fraction Bits of the fraction.
 * @property {number} bias What is subtracted from the exponent.
 * @property {"ieee" | "fn" | "fnuz"} special Which bits are not numbers: `fn` has NaN alone, with all bits of exponent
 *   and fraction set; `fnuz` has one NaN, where -0 would be.
 */

/**
 * @param {number} bits
 * @param {FloatFormat} format
 */
function decodeFloat(bits, { exponent, fraction, bias, special }) {
  const sign = bits >> (exponent + fraction) ? -1 : 1;
  const top = (1 << exponent) - 1;
  const e = (bits >> fraction) & top;
  const f = bits & ((1 << fraction) - 1);
  if (special === "ieee" && e === top) return f ? NaN : sign * Infinity;
  if (special === "fn" && e === top && f === (1 << fraction) - 1) return NaN;
  if (special === "fnuz" && sign < 0 && e === 0 && f === 0) return NaN;
  const scale = 2 ** (Math.max(e, 1) - bias - fraction);
  return sign * (e ? f + (1 << fraction) : f) * scale;
}

/** @param {FloatFormat} format @returns {DType["read"]} */
const float8 = (format) => (view, at) => decodeFloat(view.getUint8(at), format);

/** @param {FloatFormat} format @returns {DType["read"]} */
const float16 = (format) => (view, at) => decodeFloat(view.getUint16(at, true), format);

const half = float16({ exponent: 5, fraction: 10, bias: 15, special: "ieee" });

/** @type {DType["read"]} */
const float32 = (view, at) => view.getFloat32(at, true);
/** @type {DType["read"]} */
const float64 = (view, at) => view.getFloat64(at, true);

/**
 * @param {string} name @param {string} oip @param {string} safetensors @param {string} descr
 * @param {number} itemsize @param {number} parts @param {DType["read"]} read
 * @returns {DType}
 */
const row = (name, oip, safetensors, descr, itemsize, parts, read) => ({
  name, oip, safetensors, descr, itemsize, parts, read,
});

/** @type {readonly DType[]} */
export const DTYPES = [
  row("bool", "BOOL", "BOOL", "b1", 1, 1, (v, at) => (v.getUint8(at) ? 1 : 0)),
  row("int8", "INT8", "I8", "i1", 1, 1, (v, at) => v.getInt8(at)),
  row("int16", "INT16", "I16", "i2", 2, 1, (v, at) => v.getInt16(at, true)),
  row("int32", "INT32", "I32", "i4", 4, 1, (v, at) => v.getInt32(at, true)),
  row("int64", "INT64", "I64", "i8", 8, 1, (v, at) => v.getBigInt64(at, true)),
  row("uint8", "UINT8", "U8", "u1", 1, 1, (v, at) => v.getUint8(at)),
  row("uint16", "UINT16", "U16", "u2", 2, 1, (v, at) => v.getUint16(at, true)),
  row("uint32", "UINT32", "U32", "u4", 4, 1, (v, at) => v.getUint32(at, true)),
  row("uint64", "UINT64", "U64", "u8", 8, 1, (v, at) => v.getBigUint64(at, true)),
  row("float16", "FP16", "F16", "f2", 2, 1, half),
  row("float32", "FP32", "F32", "f4", 4, 1, float32),
  row("float64", "FP64", "F64", "f8", 8, 1, float64),
  row("complex64", "COMPLEX64", "C64", "c8", 8, 2, float32),
  row("complex128", "COMPLEX128", "", "c16", 16, 2, float64),
  row("bfloat16", "BF16", "BF16", "", 2, 1, float16({ exponent: 8, fraction: 7, bias: 127, special: "ieee" })),
  row("float8_e4m3fn", "FLOAT8_E4M3FN", "F8_E4M3", "", 1, 1,
    float8({ exponent: 4, fraction: 3, bias: 7, special: "fn" })),
  row("float8_e4m3fnuz", "FLOAT8_E4M3FNUZ", "F8_E4M3FNUZ", "", 1, 1,
    float8({ exponent: 4, fraction: 3, bias: 8, special: "fnuz" })),
  row("float8_e5m2", "FLOAT8_E5M2", "F8_E5M2", "f1", 1, 1,
    float8({ exponent: 5, fraction: 2, bias: 15, special: "ieee" })),
  row("float8_e5m2fnuz", "FLOAT8_E5M2FNUZ", "F8_E5M2FNUZ", "", 1, 1,
    float8({ exponent: 5, fraction: 2, bias: 16, special: "fnuz" })),
  row("float8_e8m0fnu", "FLOAT8_E8M0FNU", "F8_E8M0", "", 1, 1, (v, at) => {
    const exponent = v.getUint8(at);
    return exponent === 255 ? NaN : 2 ** (exponent - 127);
  }),
  row("complex32", "COMPLEX32", "", "c4", 4, 2, half),
];

/** @param {string} name */
export const dtypeByName = (name) => DTYPES.find((dtype) => dtype.name === name);
/** @param {string} oip */
export const dtypeByOip = (oip) => DTYPES.find((dtype) => dtype.oip === oip);
/** @param {string} name */
export const dtypeBySafetensors = (name) => DTYPES.find((dtype) => name !== "" && dtype.safetensors === name);
/** @param {string} descr NumPy's type string without the byte order. */
export const dtypeByDescr = (descr) => DTYPES.find((dtype) => descr !== "" && dtype.descr === descr);

/**
 * Returns one number of an array: the element, or its magnitude if it is complex.
 * @param {DType} dtype @param {DataView} view Elements in little-endian. @param {number} index
 */
export function numberAt(dtype, view, index) {
  const at = index * dtype.itemsize;
  if (dtype.parts === 1) return Number(dtype.read(view, at));
  return Math.hypot(Number(dtype.read(view, at)), Number(dtype.read(view, at + dtype.itemsize / 2)));
}

/**
 * Returns the shortest text that means this number among those of `round`'s format.
 * @param {number} value @param {(value: number) => number} round
 */
function shortest(value, round) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  for (let digits = 1; digits < 17; ++digits) {
    const text = value.toPrecision(digits);
    if (round(Number(text)) === value) return Object.is(value, -0) ? "-0" : String(Number(text));
  }
  return String(value);
}

/**
 * Returns an element as text, exact for integers and shortest for floating point numbers.
 * @param {DType} dtype @param {DataView} view Elements in little-endian. @param {number} index
 */
export function textAt(dtype, view, index) {
  const at = index * dtype.itemsize;
  if (dtype.name === "bool") return dtype.read(view, at) ? "True" : "False";
  const size = dtype.itemsize / dtype.parts;
  const isInteger = /int/.test(dtype.name);
  const round = size < 8 ? Math.fround : Number;
  const texts = [];
  for (let part = 0; part < dtype.parts; ++part) {
    const value = dtype.read(view, at + part * size);
    texts.push(isInteger ? String(value) : shortest(Number(value), round));
  }
  if (dtype.parts === 1) return texts[0];
  return `${texts[0]}${/^[-]/.test(texts[1]) ? "" : "+"}${texts[1]}j`;
}
