/**
 * Three workers load the addon at once, compute, and end without disposing anything; one more is terminated while it
 * computes. Then the main thread still computes.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { backward } from "../../src/tensor/autograd.js";
import { Generator } from "../../src/tensor/generator.js";
import { full, mul, requireGradient, sumAll } from "../../src/tensor/ops.js";
import { liveTensors } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";

function compute(): number {
  const borrowed = Tensor.from(new Float32Array(new SharedArrayBuffer(4000)).fill(2));
  const leaf = requireGradient(full([1000], 3), true);
  using generator = new Generator(1);
  assert.ok(generator.state.size > 0);
  const loss = sumAll(mul(leaf, borrowed));
  backward(loss);
  return loss.item();
}

const start = (forever: boolean) => new Worker(fileURLToPath(import.meta.url), { workerData: { forever } });

if (!isMainThread) {
  do parentPort?.postMessage({ sum: compute(), live: liveTensors() > 0 });
  while (workerData.forever);
} else {
  const workers = [start(false), start(false), start(false)];
  const results = await Promise.all(
    workers.map(async (worker) => {
      const [[result]] = await Promise.all([once(worker, "message"), once(worker, "exit")]);
      return result;
    }),
  );
  assert.deepEqual(results, Array(3).fill({ sum: 6000, live: true }));

  const endless = start(true);
  await once(endless, "message");
  await endless.terminate();

  assert.equal(liveTensors(), 0, "each thread counts its own tensors");
  assert.equal(compute(), 6000);
}
