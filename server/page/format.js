// Numbers with units, as people read them.

/** @param {number} value @param {number} [digits] */
const rounded = (value, digits = 3) => String(Number(value.toPrecision(digits)));

/** @param {number} bytes */
export function bytesText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${rounded(bytes / 1024 ** power)} ${units[power]}`;
}

/** @param {number} seconds */
export function secondsText(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds === 0) return "0 s";
  if (seconds < 1e-3) return `${rounded(seconds * 1e6)} µs`;
  return seconds < 1 ? `${rounded(seconds * 1e3)} ms` : `${rounded(seconds)} s`;
}

/** @param {number} value */
export function countText(value) {
  if (!Number.isFinite(value)) return "–";
  return value >= 1e6 ? `${rounded(value / 1e6)} M` : value.toLocaleString("en", { maximumFractionDigits: 1 });
}

/** @param {number | bigint} value Returns six digits; of whole numbers, where all are known, every digit. */
export function numberText(value) {
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  return rounded(value, 6);
}
