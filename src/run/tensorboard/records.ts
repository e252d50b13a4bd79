/**
 * TFRecord, the framing of TensorBoard's event files (https://www.tensorflow.org/tutorials/load_data/tfrecord): for each record its
 * length (uint64), the length's checksum (uint32), its bytes, their checksum (uint32), all little-endian.
 */
const HEADER_BYTES = 12;
const FOOTER_BYTES = 4;

/** The Castagnoli polynomial 0x1EDC6F41 with its bits reversed. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

/** CRC-32C of RFC 3720, appendix B.4: an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] as number);
  return ~crc >>> 0;
}

/** A CRC-32C that may itself stand in data with a CRC: rotated right by 15 bits, plus a constant. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One record with its frame. */
export function frameRecord(content: Uint8Array): Buffer {
  const record = Buffer.alloc(HEADER_BYTES + content.length + FOOTER_BYTES);
  record.writeBigUInt64LE(BigInt(content.length), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(content, HEADER_BYTES);
  record.writeUInt32LE(maskedCrc(content), HEADER_BYTES + content.length);
  return record;
}

/**
 * How many whole records a file's bytes begin with, and how many bytes those take. What comes after them is what a process left
 * that was killed while it wrote.
 */
export function wholeRecords(file: Buffer): { count: number; bytes: number } {
  let [count, bytes] = [0, 0];
  while (bytes + HEADER_BYTES <= file.length) {
    const header = file.subarray(bytes, bytes + HEADER_BYTES);
    const end = bytes + HEADER_BYTES + Number(header.readBigUInt64LE(0));
    if (header.readUInt32LE(8) !== maskedCrc(header.subarray(0, 8)) || end + FOOTER_BYTES > file.length) break;
    if (file.readUInt32LE(end) !== maskedCrc(file.subarray(bytes + HEADER_BYTES, end))) break;
    bytes = end + FOOTER_BYTES;
    count += 1;
  }
  return { count, bytes };
}
