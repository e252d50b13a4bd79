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
/** In the first quarter what is made once is made: kernels, code that was compiled, the curves' full number of points. */
const QUARTER = STEPS / 4;
const MOST_GROWTH = 20;

const at = scratchFolder("long");

test(`memory stays flat over ${STEPS} steps, their validations and checkpoints`, async (t) => {
  const recipe = tiny({ epochs: STEPS / STEPS_PER_EPOCH, ema: { decay: 0.9 }, mixup: {}, lr: 1e-4 });
  const { train } = randomData(8 * STEPS_PER_EPOCH, 8);
  const data = { train, validation: limitSet(train, 32), description: "noise" };
  const options = { data, recipe, out: at("run"), workers: 0, device: "cpu" } as const;
  /** The least of each quarter, in MiB: what comes and goes is no growth. */
  const least = [Infinity, Infinity, Infinity, Infinity];
  let last = "step";
  for await (const event of runSession(options, () => false)) {
    last = event.type;
    if (event.type !== "step" || event.step % 50 !== 0) continue;
    collectGarbage();
    const mebibytes = process.memoryUsage().rss / 2 ** 20;
    const quarter = Math.ceil(event.step / QUARTER) - 1;
    least[quarter] = Math.min(least[quarter] ?? 0, mebibytes);
    if (event.step % 20_000 === 0) t.diagnostic(`step ${event.step}: ${mebibytes.toFixed(1)} MiB`);
  }
  assert.equal(last, "done");
  const [, settled = 0, ...later] = least;
  const growth = Math.max(...later) - settled;
  assert.ok(growth < MOST_GROWTH, `the least of each quarter: ${least.map((each) => each.toFixed(1))} MiB`);
  t.diagnostic(`the least of each quarter: ${least.map((each) => each.toFixed(1))} MiB`);
});
