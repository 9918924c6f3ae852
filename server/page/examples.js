// Arrays to try the playground with, for who has no file at hand.
import { writeNpy } from "./npy.js";

/** @typedef {{name: string, text: string, file: () => File}} Example */

/** @param {string} name @param {Uint8Array<ArrayBuffer>} bytes */
const fileOf = (name, bytes) => new File([bytes], name);

/** Returns an array of which one sees at once whether it has arrived: waves that meet. */
function waves() {
  const size = 64;
  const values = new Float32Array(size * size);
  for (let k = 0; k < values.length; ++k) {
    const [x, y] = [(k % size) / size - 0.35, Math.floor(k / size) / size - 0.6];
    values[k] = Math.sin(22 * Math.hypot(x, y)) + Math.cos(17 * Math.hypot(x - 0.5, y + 0.4));
  }
  return fileOf("waves.npy", writeNpy("<f4", [size, size], new Uint8Array(values.buffer)));
}

/** Returns what conversions by way of other types lose: two NaN with payloads, infinities, -0 and subnormal numbers. */
function hardBits() {
  const bits = Uint16Array.of(0x7e01, 0xfd55, 0x7c00, 0xfc00, 0x8000, 0x0000, 0x0001, 0x83ff, 0x3c00, 0x3555, 0x7bff, 0x0400);
  return fileOf("hard_bits.npy", writeNpy("<f2", [3, 4], new Uint8Array(bits.buffer)));
}

/** Returns numbers in an order of bytes and of elements that the server has to change. */
function bigEndian() {
  const [rows, columns] = [6, 10];
  const view = new DataView(new ArrayBuffer(rows * columns * 2));
  for (let column = 0; column < columns; ++column) {
    for (let row = 0; row < rows; ++row) view.setInt16(2 * (column * rows + row), (row + 1) * (column + 1), false);
  }
  return fileOf("times_table.npy", writeNpy(">i2", [rows, columns], new Uint8Array(view.buffer), true));
}

/** @type {readonly Example[]} */
export const EXAMPLES = [
  { name: "Waves", text: "float32, 64 × 64", file: waves },
  { name: "Hard bits", text: "float16 with NaN, ∞, −0 and subnormals", file: hardBits },
  { name: "Times table", text: "int16, big-endian, in Fortran order", file: bigEndian },
];
