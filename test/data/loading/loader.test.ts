import assert from "node:assert/strict";
import { test } from "node:test";
import type { Worker } from "node:worker_threads";
import { augmentInto } from "../../../src/data/augment/image-transform.js";
import type { ImageSet } from "../../../src/data/image-set.js";
import { type Batch, Loader, type LoaderOptions } from "../../../src/data/loading/loader.js";
import { InputError, KnackError } from "../../../src/base/errors.js";
import { permutation, randomFor } from "../../../src/tensor/random.js";
import { presets } from "../../../src/recipe/presets.js";

// Image i is a 3x3 of i+1, and its label is i: what becomes of it can be read off.
const set: ImageSet = {
  name: "counting train",
  pixels: Uint8Array.from({ length: 50 * 9 }, (_, i) => Math.floor(i / 9) + 1),
  labels: Int32Array.from({ length: 50 }, (_, i) => i),
  count: 50,
  ...{ height: 3, width: 3, channels: 1, classes: [], mean: [0], std: [1] },
};
const augmentation = { ...presets.baseline.augmentation, crop: 1 };
const options: LoaderOptions = { batchSize: 8, augmentation, seed: 5, workers: 0 };

async function collect(loader: Loader, epoch: number, firstBatch?: number): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of loader.epoch(epoch, firstBatch)) batches.push(batch);
  return batches;
}

async function withLoader<T>(changes: Partial<LoaderOptions>, use: (loader: Loader) => Promise<T>): Promise<T> {
  const loader = new Loader(set, { ...options, ...changes });
  try {
    return await use(loader);
  } finally {
    await loader.close();
  }
}

test("an epoch shows each image at most once, whole batches only, in the epoch's own order", async () => {
  await withLoader({}, async (loader) => {
    assert.equal(loader.batchesPerEpoch, 6);
    const batches = await collect(loader, 0);
    assert.deepEqual(
      batches.map(({ index, size }) => [index, size]),
      [0, 1, 2, 3, 4, 5].map((index) => [index, 8]),
    );
    const shown = batches.flatMap(({ labels }) => [...labels]);
    assert.deepEqual(shown, [...permutation(50, randomFor(5, "order", 0))].slice(0, 48));
    const later = (await collect(loader, 1)).flatMap(({ labels }) => [...labels]);
    assert.notDeepEqual(shown, later);
    for (const { pixels, labels } of batches) {
      const centres = Array.from({ length: 8 }, (_, i) => pixels[i * 9 + 4]);
      assert.deepEqual(
        centres,
        [...labels].map((label) => label + 1),
      );
    }
  });
});

test("an image is augmented by (seed, epoch, its index) alone", async () => {
  const [batch] = await withLoader({}, (loader) => collect(loader, 2));
  const index = batch?.labels[3] as number;
  const expected = new Uint8Array(9);
  const random = randomFor(5, "augment", 2, index);
  augmentInto(expected, new Uint8Array(9).fill(index + 1), set, augmentation, random);
  assert.deepEqual(batch?.pixels.subarray(27, 36), expected);
});

test("the same bits with 0, 1 and 3 workers, and from the middle of an epoch", async () => {
  const expected = await withLoader({}, (loader) => collect(loader, 1));
  for (const workers of [0, 1, 3]) {
    await withLoader({ workers }, async (loader) => {
      assert.deepEqual(await collect(loader, 1), expected, `${workers} workers`);
      assert.deepEqual(await collect(loader, 1, 4), expected.slice(4), `${workers} workers from batch 4`);
      assert.deepEqual(await collect(loader, 1, 6), []);
    });
  }
  assert.notDeepEqual(await withLoader({ seed: 6 }, (loader) => collect(loader, 1)), expected);
});

test("an epoch left early, or two at once, do not mix", async () => {
  const expected = await withLoader({}, (loader) => collect(loader, 1));
  await withLoader({ workers: 2 }, async (loader) => {
    for await (const batch of loader.epoch(0)) if (batch.index === 1) break;
    await loader.epoch(0).return();
    const [one, other] = await Promise.all([collect(loader, 1), collect(loader, 1)]);
    assert.deepEqual([one, other], [expected, expected]);
  });
});

test("an epoch that was prepared has the same bits, whether it comes next or not", async () => {
  const [one, two] = await withLoader({}, async (loader) => [await collect(loader, 1), await collect(loader, 2)]);
  for (const workers of [0, 2]) {
    await withLoader({ workers }, async (loader) => {
      loader.prepare(1);
      assert.deepEqual(await collect(loader, 1), one);
      loader.prepare(1);
      assert.deepEqual(await collect(loader, 2), two);
      loader.prepare(1);
      assert.deepEqual(await collect(loader, 1, 4), one.slice(4));
      loader.prepare(2); // and is closed
    });
  }
});

test("a worker that dies is named", async (t) => {
  const workers: Worker[] = [];
  const keep = (worker: Worker) => workers.push(worker);
  process.on("worker", keep);
  t.after(() => process.off("worker", keep));
  await withLoader({ workers: 2 }, async (loader) => {
    await collect(loader, 0);
    const during = collect(loader, 0);
    await workers[1]?.terminate();
    const named = (error: unknown) => error instanceof KnackError && /^loader worker 2 ended/.test(error.message);
    await assert.rejects(during, named);
    await assert.rejects(collect(loader, 1), named);
  });
});

test("closing ends an epoch that is under way, and the ones after", async () => {
  for (const workers of [0, 2]) {
    const loader = new Loader(set, { ...options, workers });
    const epoch = loader.epoch(0);
    await epoch.next();
    const rest = assert.rejects(async () => {
      for await (const _ of epoch);
    }, /the loader is closed/);
    await loader.close();
    await rest;
    await assert.rejects(collect(loader, 0), /the loader is closed/);
    await loader.close();
  }
});

test("options that cannot be are refused", async () => {
  const refused = (changes: Partial<LoaderOptions>, message: RegExp) =>
    assert.throws(
      () => new Loader(set, { ...options, ...changes }),
      (error) => error instanceof InputError && message.test(error.message),
    );
  refused({ batchSize: 51 }, /batch size 51 is larger than counting train, which holds 50 images/);
  refused({ batchSize: 0 }, /batch size must be an integer from 1 to 50, not 0/);
  refused({ workers: -1 }, /number of loader workers/);
  refused(
    { augmentation: { ...augmentation, crop: 3 } },
    /padding of the random crop, must be an integer from 0 to 2, not 3/,
  );
  await withLoader({}, (loader) => assert.rejects(collect(loader, 0, 7), InputError));
});
