/** Training by several processes, over Gloo on this machine. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { whyNotBuilt } from "../../src/native/group/collectives.js";
import type { TogetherTask } from "../children/together.js";
import { randomData } from "../support/random-data.js";
import { together } from "../support/together.js";
import { left, ofType, scratchFolder, session, tiny } from "../support/tiny-training.js";

const skip = whyNotBuilt() ?? false;
const scratch = scratchFolder("together");
/** No multiple of anything. */
const IMAGES = 67;
const data = randomData(IMAGES, 16);
const teacher = scratch("teacher");
/** Parts of 6 images, of which processes have unlike many; a rate at which rounding stays small. */
const recipe = {
  ...{ epochs: 2, batchSize: 12, accumulation: 2, lr: 0.0005 },
  ...{ mixup: { alpha: 0.2 }, cutmix: { alpha: 1 }, labelSmoothing: { epsilon: 0.1 }, ema: { decay: 0.9 } },
  distillation: { teacher: join(teacher, "checkpoints/best"), temperature: 1 },
};
const taskOf = (name: string, changes: Partial<TogetherTask> = {}): TogetherTask => {
  return { recipe, out: scratch(name), images: IMAGES, syncBatchNorm: true, ...changes };
};

test("processes give the losses, metrics and weights of one, with every trick and batches that do not divide evenly", {
  skip,
}, async () => {
  await session({ data, recipe: tiny({ epochs: 1, batchSize: 12 }), out: teacher });
  const engine = { engine: "plain", winograd: true, reproducible: true } as const;
  const alone = await session({ data, recipe: tiny(recipe), out: scratch("alone"), engine });
  const [first, ...others] = await together(4, () => taskOf("four"));
  assert.equal(first?.error, undefined);
  const losses = ofType(alone, "step").map(({ loss }) => loss);
  const theirs = ofType(first?.events ?? [], "step").map(({ loss }) => loss);
  assert.equal(theirs.length, losses.length);
  // Of the first epoch: then a value that is 0 but for rounding passes a ReLU in one run and not in the other, as in any two orders of sums.
  for (const [at, loss] of theirs.slice(0, 5).entries())
    assert.ok(Math.abs(loss - (losses[at] as number)) < 1e-5, `step ${at + 1}: ${loss}`);
  // All see the same; only one writes.
  for (const other of others) {
    assert.deepEqual(
      ofType(other.events, "epoch").map(({ metrics }) => metrics),
      ofType(first?.events ?? [], "epoch").map(({ metrics }) => metrics),
    );
  }
  const [one, four] = ["alone", "four"].map((name) => left(scratch(name)));
  assert.equal(four?.metrics.length, one?.metrics.length);
});

test("a process that is killed ends the others, which name it; what goes on ends with the bits of an undisturbed run", {
  skip,
}, async () => {
  const fault = { rank: 1, step: 7, kind: "kill" } as const;
  const [first] = await together(2, (rank) =>
    taskOf("killed", { timeout: 4, checkpointSteps: 3, ...(rank === 1 && { fault }) }),
  );
  assert.match(first?.error ?? "", /stopped: rank 1 \(\S+, process \d+\) has given no sign of life for \d+ s/);
  await together(2, () => taskOf("killed", { resume: true }));
  await together(2, () => taskOf("undisturbed"));
  const [killed, undisturbed] = ["killed", "undisturbed"].map((name) => left(scratch(name)));
  assert.deepEqual(killed, undisturbed);
});

test("a process with another recipe is refused by name, and nothing is written", { skip }, async () => {
  const [first, other] = await together(2, (rank) =>
    taskOf("unlike", { recipe: { ...recipe, lr: rank === 0 ? 0.1 : 0.2 } }),
  );
  assert.match(
    first?.error ?? "",
    /^rank 1 \(.*\) does not fit rank 0: lr is 0.2, not 0.1; start all processes alike$/,
  );
  assert.equal(other?.error, first?.error);
  assert.ok(!existsSync(scratch("unlike")));
});

test("one process that is told to stop stops all, at one checkpoint", { skip }, async () => {
  const fault = { rank: 1, step: 2, kind: "ask" } as const;
  const ended = await together(2, (rank) => taskOf("stopped", rank === 1 ? { fault } : {}));
  const last = ended.map(({ events }) => events.at(-1));
  assert.deepEqual(
    last,
    [0, 1].map(() => ({ type: "interrupted", run: scratch("stopped"), epoch: 1, step: 2 })),
  );
  assert.ok(existsSync(scratch("stopped", "checkpoints/last")));
});
