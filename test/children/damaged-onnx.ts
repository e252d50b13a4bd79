/**
 * Reads `argv[3]` randomly damaged copies of the ONNX file `argv[2]` with knack and with ONNX Runtime. Each must open or be
 * refused: what this process must not do is die.
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import ort from "onnxruntime-node";
import { InputError } from "../../src/base/errors.js";
import { readOnnxMetadata } from "../../src/onnx/model-file.js";
import { randomFor } from "../../src/tensor/random.js";

const [, , whole = "", copies = ""] = process.argv;
const original = readFileSync(whole);
const random = randomFor(0, "damaged ONNX");
const anywhere = () => random.integer(original.length);

const damages: readonly ((bytes: Buffer) => Buffer)[] = [
  (bytes) => bytes.subarray(0, anywhere()),
  (bytes) => bytes.fill(random.integer(256), anywhere(), anywhere()),
  (bytes) => bytes.copyWithin(anywhere(), anywhere()),
  (bytes) => {
    for (let i = random.integer(3); i >= 0; i--) bytes.writeUInt8(random.integer(256), anywhere());
    return bytes;
  },
  (bytes) => {
    const at = anywhere();
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.integer(8)), at);
    return bytes;
  },
];

let refused = 0;
for (let copy = 0; copy < Number(copies); copy++) {
  const damage = damages[copy % damages.length] as (bytes: Buffer) => Buffer;
  const bytes = damage(Buffer.from(original));
  const file = `${whole}.damaged`;
  writeFileSync(file, bytes);
  try {
    readOnnxMetadata(file);
  } catch (error) {
    assert.ok(error instanceof InputError && !error.message.includes("\n"), String(error));
    assert.ok(error.message.includes(file), error.message);
  }
  try {
    const session = await ort.InferenceSession.create(file, { logSeverityLevel: 4, intraOpNumThreads: 1 });
    await session.release();
  } catch (error) {
    assert.ok(error instanceof Error);
    refused++;
  }
  rmSync(file);
}
console.log(refused);
