/** A long run keeps its memory: 2,000 steps by default, 200,000 by `npm run test:long`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { limitSet } from "../../src/data/image-set.js";
import { runSession } from "../../src/run/session.js";
import { scratchFolder, tiny } from "../support/tiny-training.js";
import { randomData } from "../support/random-data.js";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const STEPS = Number(process.env.KNACK_STEPS ?? 2000);
const STEPS_PER_EPOCH = 500;
/** By then what is made once is made: kernels, code that was compiled, the curves' full number of points. */
const SETTLED = Math.max(1000, Math.min(STEPS / 2, 20_000));
const MOST_GROWTH = 20;

const at = scratchFolder("long");

test(`memory stays flat over ${STEPS} steps, their validations and checkpoints`, async (t) => {
  const recipe = tiny({ epochs: STEPS / STEPS_PER_EPOCH, ema: { decay: 0.9 }, mixup: {}, lr: 1e-4 });
  const { train } = randomData(8 * STEPS_PER_EPOCH, 8);
  const data = { train, validation: limitSet(train, 32), description: "noise" };
  const options = { data, recipe, out: at("run"), workers: 0, device: "cpu" } as const;
  let [settled, most, last] = [0, 0, "step"];
  for await (const event of runSession(options, () => false)) {
    last = event.type;
    if (event.type !== "step" || event.step % 500 !== 0) continue;
    collectGarbage();
    const mebibytes = process.memoryUsage().rss / 2 ** 20;
    if (event.step <= SETTLED) settled = Math.max(settled, mebibytes);
    else most = Math.max(most, mebibytes);
    if (event.step % 20_000 === 0) t.diagnostic(`step ${event.step}: ${mebibytes.toFixed(1)} MiB`);
  }
  assert.equal(last, "done");
  assert.ok(most - settled < MOST_GROWTH, `from ${settled.toFixed(1)} to ${most.toFixed(1)} MiB`);
});
