import { appendFileSync, existsSync, readFileSync, truncateSync } from "node:fs";
import { systemReason, writeFileAtomic } from "../../base/atomic-file.js";
import { KnackError } from "../../base/errors.js";
import { encodeScalars, encodeVersion, type Scalars } from "./event.js";
import { frameRecord, wholeRecords } from "./records.js";

/**
 * Brings an event file up to date with all that is to be in it: what it has stays, what it lacks is appended. So a TensorBoard that
 * reads along keeps its place, nothing is there twice, and half a record that a killed process left is replaced.
 *
 * @param scalars a record each; the file holds the first of them, if any
 * @throws KnackError that names the file, as where the disk is full.
 */
export function updateEventFile(file: string, scalars: readonly Scalars[], now = Date.now() / 1000): void {
  try {
    const content = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    const { count, bytes } = wholeRecords(content);
    // The first record is the version; more records than there are scalars are another run's.
    if (count === 0 || count - 1 > scalars.length) {
      writeFileAtomic(file, Buffer.concat([frameRecord(encodeVersion(now)), ...framed(scalars)]));
      return;
    }
    if (bytes < content.length) truncateSync(file, bytes);
    appendFileSync(file, Buffer.concat(framed(scalars.slice(count - 1))));
  } catch (error) {
    if (error instanceof KnackError) throw error;
    throw new KnackError(`cannot write ${file}: ${systemReason(error)}`, { cause: error });
  }
}

function framed(scalars: readonly Scalars[]): Buffer[] {
  return scalars.map((each) => frameRecord(encodeScalars(each)));
}
