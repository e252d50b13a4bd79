/**
 * Damages the files `argv[3...]` at random, `argv[2]` times in all, and reads each result. Prints as JSON how many could be read
 * and how many were refused, by how much the process ever grew, and the time of the slowest file. Ends with an error where one
 * is refused other than by an InputError of one line.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InputError } from "../../src/base/errors.js";
import { ITEM_SIZE } from "../../src/tensor/dtype.js";
import { type Random, randomFor } from "../../src/tensor/random.js";
import { readWeights } from "../../src/weights/read-weights.js";

const [count, ...paths] = process.argv.slice(2);
const originals = paths.map((path) => fs.readFileSync(path));
const folder = fs.mkdtempSync(join(tmpdir(), "knack-damaged-"));

type Damage = (file: Buffer, random: Random) => Buffer;

const KINDS: readonly Damage[] = [
  function flipBits(file, random) {
    for (let i = random.integer(8); i >= 0; i--) {
      const at = random.integer(file.length);
      file.writeUInt8(file.readUInt8(at) ^ (1 << random.integer(8)), at);
    }
    return file;
  },
  function replaceBytes(file, random) {
    for (let i = random.integer(4); i >= 0; i--) file.writeUInt8(random.integer(256), random.integer(file.length));
    return file;
  },
  function cut(file, random) {
    return file.subarray(0, random.integer(file.length));
  },
  function insert(file, random) {
    const at = random.integer(file.length);
    const bytes = Uint8Array.from({ length: 1 + random.integer(16) }, () => random.integer(256));
    return Buffer.concat([file.subarray(0, at), bytes, file.subarray(at)]);
  },
  function remove(file, random) {
    const at = random.integer(file.length);
    return Buffer.concat([file.subarray(0, at), file.subarray(at + 1 + random.integer(16))]);
  },
  function swap(file, random) {
    const length = 1 + random.integer(64);
    const [a, b] = [random.integer(file.length - length), random.integer(file.length - length)];
    const first = Buffer.from(file.subarray(a, a + length));
    file.copyWithin(a, b, b + length);
    file.set(first, b);
    return file;
  },
  function enlargeNumber(file, random) {
    const at = random.integer(file.length - 8);
    file.writeBigInt64LE([-1n, 2n ** 40n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 32n - 1n][random.integer(5)] ?? 0n, at);
    return file;
  },
];

const result = { read: 0, refused: 0, grownMegabytes: 0, slowestMilliseconds: 0 };
const before = process.resourceUsage().maxRSS;
try {
  for (let i = 0; i < Number(count); i++) {
    const random = randomFor(0, "damage", i);
    const damage = KINDS[random.integer(KINDS.length)] as Damage;
    const file = damage(Buffer.from(originals[i % originals.length] as Buffer), random);
    // A new file each: to overwrite one costs some file systems a write to the disk.
    const path = join(folder, `weights-${i}`);
    fs.writeFileSync(path, file);
    const start = performance.now();
    try {
      let total = 0;
      for (const { dtype, shape, data } of readWeights(path).tensors.values()) {
        assert.equal(
          data.length,
          shape.reduce((product, size) => product * size, ITEM_SIZE[dtype]),
        );
        total += data.length;
      }
      assert.ok(total <= 8 * file.length);
      result.read++;
    } catch (error) {
      assert.ok(error instanceof InputError, `file ${i} (${damage.name}): ${(error as Error).stack}`);
      assert.ok(error.message.includes(path) && !/[\n\r]/.test(error.message), error.message);
      result.refused++;
    }
    result.slowestMilliseconds = Math.max(result.slowestMilliseconds, performance.now() - start);
    fs.rmSync(path);
  }
} finally {
  fs.rmSync(folder, { recursive: true });
}
result.grownMegabytes = (process.resourceUsage().maxRSS - before) / 1024;
process.stdout.write(JSON.stringify(result));
