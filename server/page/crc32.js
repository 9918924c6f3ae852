// CRC-32, the checksum that a zip archive has of each member (its application note, 4.4.7).

const POLYNOMIAL = 0xedb88320;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; ++bit) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value;
});

/** @param {Uint8Array} bytes */
export function crc32(bytes) {
  let value = 0xffffffff;
  for (let at = 0; at < bytes.length; ++at) value = (value >>> 8) ^ TABLE[(value ^ bytes[at]) & 0xff];
  return (value ^ 0xffffffff) >>> 0;
}
