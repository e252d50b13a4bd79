/** Run with --expose-gc: tensors that borrowed shared memory must keep it, and give it back, whatever the collector does. */
import assert from "node:assert/strict";
import { liveTensors } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";

const MEGABYTES = 32;

function borrow(value: number): Tensor {
  const memory = new Float32Array(new SharedArrayBuffer(MEGABYTES * 2 ** 20)).fill(value);
  return Tensor.from(memory);
}

async function collect(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    global.gc?.();
    await new Promise((done) => setImmediate(done));
  }
}

assert.ok(global.gc, "run with --expose-gc");

const kept = borrow(3);
await collect();
// Memory that was wrongly freed would be reused for these.
const others = Array.from({ length: 4 }, () => new Float32Array(MEGABYTES * 2 ** 18).fill(7));
const values = new Float32Array(kept.bytes().buffer);
assert.ok(values.every((value) => value === 3));
assert.equal(others.length, 4);
kept.dispose();

// 30 times 32 MB is more than is in use at the end, if each is freed.
for (let i = 0; i < 30; i++) {
  borrow(i).dispose();
  await collect();
}
const used = process.memoryUsage().rss / 2 ** 20;
assert.ok(used < MEGABYTES * 20, `${used} MB are in use`);

// Tensors nobody disposed go with the collector in the end.
for (let i = 0; i < 5; i++) borrow(i);
await collect();
assert.equal(liveTensors(), 0);
