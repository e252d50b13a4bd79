import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import fc from "fast-check";
import { InputError } from "../../../src/base/errors.js";
import { presets } from "../../../src/recipe/presets.js";
import type { Recipe } from "../../../src/recipe/recipe.js";
import { learningRateSchedule } from "../../../src/recipe/learning-rate-schedule.js";
import { cosineLearningRate } from "../../../src/optim/schedules/cosine.js";
import { scaledLearningRate } from "../../../src/tricks/linear-scaling.js";
import { stepDecayLearningRate } from "../../../src/optim/schedules/step-decay.js";
import { warmupLearningRate } from "../../../src/tricks/warmup.js";

const close = (actual: number, expected: number) =>
  assert.ok(
    Math.abs(actual - expected) <= 1e-12 * Math.abs(expected),
    `expected ${expected}, the schedule says ${actual}`,
  );

test("the tricks' formulas", () => {
  assert.equal(scaledLearningRate(0.1, 1024), 0.4);
  assert.equal(scaledLearningRate(0.1, 64), 0.025);
  assert.equal(scaledLearningRate(0.1, 512, 128), 0.4);
  close(warmupLearningRate(0.4, 0, 10), 0.04);
  close(warmupLearningRate(0.4, 4, 10), 0.2);
  assert.equal(warmupLearningRate(0.4, 9, 10), 0.4);
  assert.equal(cosineLearningRate(0.4, 0, 100), 0.4);
  close(cosineLearningRate(0.4, 50, 100), 0.2);
  close(cosineLearningRate(0.4, 25, 100), 0.2 * (1 + Math.SQRT1_2));
  assert.deepEqual(
    [29, 30, 59, 60, 90].map((step) => stepDecayLearningRate(0.1, step, [30, 60, 90])),
    [0.1, 0.01, 0.01, 0.001, 0.0001],
  );
});

test("baseline: 0.1, divided by 10 at the epochs 30, 60 and 90, whatever the batch", () => {
  for (const batchSize of [256, 1024]) {
    const { at, ...schedule } = learningRateSchedule({ ...presets.baseline, batchSize }, 100);
    assert.deepEqual(schedule, {
      totalSteps: 12_000,
      stepsPerEpoch: 100,
      warmupSteps: 0,
      milestones: [3000, 6000, 9000],
      peak: 0.1,
    });
    const borders = [0, 2999, 3000, 5999, 6000, 8999, 9000, 11_999];
    assert.deepEqual(borders.map(at), [0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001]);
  }
});

test("efficient: scaled with the batch, 5 epochs of warmup inside the same milestones", () => {
  for (const [batchSize, peak] of [
    [1024, 0.4],
    [256, 0.1],
  ] as const) {
    const { at, ...schedule } = learningRateSchedule({ ...presets.efficient, batchSize }, 100);
    assert.deepEqual(schedule, {
      totalSteps: 12_000,
      stepsPerEpoch: 100,
      warmupSteps: 500,
      milestones: [3000, 6000, 9000],
      peak,
    });
    close(at(0), peak / 500);
    close(at(1), (2 * peak) / 500);
    close(at(249), peak / 2);
    assert.equal(at(499), peak);
    assert.equal(at(500), peak);
    assert.equal(at(2999), peak);
    close(at(3000), peak / 10);
    close(at(6000), peak / 100);
    close(at(9000), peak / 1000);
    close(at(11_999), peak / 1000);
  }
});

test("bag-of-tricks: cosine over the steps after the warmup", () => {
  for (const [batchSize, peak] of [
    [1024, 0.4],
    [512, 0.2],
  ] as const) {
    const { at, ...schedule } = learningRateSchedule({ ...presets["bag-of-tricks"], batchSize }, 100);
    assert.deepEqual(schedule, { totalSteps: 20_000, stepsPerEpoch: 100, warmupSteps: 500, milestones: [], peak });
    close(at(0), peak / 500);
    assert.equal(at(499), peak);
    assert.equal(at(500), peak); // t = 0
    close(at(500 + 9750), peak / 2); // t = T / 2
    close(at(500 + 6500), peak * 0.75); // t = T / 3, cos(pi / 3) = 1/2
    // t = T - 1, where 1/2 (1 + cos(pi - x)) = sin^2(x / 2) with x = pi / T
    assert.ok(Math.abs(at(19_999) - peak * Math.sin(Math.PI / 39_000) ** 2) < 1e-16);
    assert.ok(at(19_999) > 0);
  }
});

test("a fractional warmup is rounded to steps", () => {
  const { warmupSteps, at } = learningRateSchedule({ ...presets.efficient, warmup: { epochs: 0.25 } }, 10);
  assert.equal(warmupSteps, 3);
  assert.equal(at(2), 0.4);
});

test("a warmup of a part of an epoch takes two steps at least, so that a run made short has one", () => {
  const { warmupSteps, at } = learningRateSchedule({ ...presets.efficient, warmup: { epochs: 0.01 } }, 10);
  assert.equal(warmupSteps, 2);
  assert.deepEqual([at(0), at(1)], [0.2, 0.4]);
});

test("a warmup that leaves no step names its key and option", () => {
  for (const epochs of [120, 130, 119.99]) {
    assert.throws(
      () => learningRateSchedule({ ...presets.efficient, warmup: { epochs } }, 10),
      (error) =>
        error instanceof InputError && /^warmup\.epochs: .*--warmup/.test(error.message) && error.exitCode === 2,
    );
  }
});

const scheduleRecipe = fc
  .record({
    epochs: fc.integer({ min: 2, max: 300 }),
    batchSize: fc.integer({ min: 1, max: 8192 }),
    lr: fc.double({ min: 1e-4, max: 10, noNaN: true }),
    scaled: fc.boolean(),
    warmup: fc.double({ min: 0, max: 0.9, noNaN: true }),
    cosine: fc.boolean(),
    // A warmup takes two steps at least, and must leave one.
    stepsPerEpoch: fc.integer({ min: 2, max: 40 }),
  })
  .map(({ epochs, scaled, warmup, cosine, stepsPerEpoch, ...rest }) => {
    const warmupSteps = Math.floor(warmup * epochs * stepsPerEpoch);
    const recipe: Recipe = {
      ...presets.baseline,
      ...rest,
      epochs,
      linearScaling: scaled && { referenceBatch: 256 },
      warmup: warmupSteps > 0 && { epochs: warmupSteps / stepsPerEpoch },
      schedule: cosine ? { type: "cosine" } : presets.baseline.schedule,
    };
    return { recipe, schedule: learningRateSchedule(recipe, stepsPerEpoch) };
  });

test("property: the rate stays within (0, peak], rises in the warmup and never after it", () => {
  fc.assert(
    fc.property(scheduleRecipe, ({ schedule: { totalSteps, warmupSteps, peak, at } }) => {
      const rates = Array.from({ length: totalSteps }, (_, step) => at(step));
      for (const [step, rate] of rates.entries()) {
        assert.ok(rate > 0 && rate <= peak, `step ${step} of ${totalSteps}: ${rate}, peak ${peak}`);
        const before = rates[step - 1];
        if (before === undefined) continue;
        assert.ok(step < warmupSteps ? rate > before : rate <= before, `step ${step}: ${rate} after ${before}`);
      }
    }),
    { numRuns: 50 },
  );
});

test("property: cosine is strictly monotone after the warmup", () => {
  fc.assert(
    fc.property(scheduleRecipe, ({ recipe, schedule: { totalSteps, warmupSteps, at } }) => {
      fc.pre(recipe.schedule.type === "cosine");
      for (let step = warmupSteps + 1; step < totalSteps; step++) assert.ok(at(step) < at(step - 1));
    }),
    { numRuns: 30 },
  );
});

const command = fileURLToPath(new URL("../../../src/cli/commands/schedule.js", import.meta.url));
const script = `
  const { scheduleCommand } = await import(process.argv[1]);
  await scheduleCommand().parseAsync(process.argv.slice(2), { from: "user" }).catch((error) => {
    console.error(error.message);
    process.exitCode = error.exitCode;
  });`;

async function schedule(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  const run = promisify(execFile);
  try {
    return {
      ...(await run(process.execPath, ["--input-type=module", "-e", script, "--", command, ...args])),
      code: 0,
    };
  } catch (error) {
    return error as { stdout: string; stderr: string; code: number };
  }
}

test("knack schedule --json prints every step in full precision", async () => {
  const args = ["--recipe", "bag-of-tricks", "--epochs", "7", "--steps-per-epoch", "9", "--batch-size", "512"];
  const { stdout } = await schedule(...args, "--json");
  // The preset's 5 of 200 epochs become 0.175 of 7.
  const warmup = { epochs: 0.175 };
  const { at } = learningRateSchedule({ ...presets["bag-of-tricks"], epochs: 7, batchSize: 512, warmup }, 9);
  assert.deepEqual(
    JSON.parse(stdout),
    Array.from({ length: 63 }, (_, step) => ({ step, lr: at(step) })),
  );
});

test("knack schedule prints the borders and a plot of at most 80 columns", async () => {
  const given = ["--epochs", "70", "--warmup", "5", "--step-decay", "30,60,90"];
  const { stdout } = await schedule("--recipe", "efficient", ...given, "--steps-per-epoch", "10");
  assert.match(stdout, /first step +0 +0\.00 +0\.008\n/);
  assert.match(stdout, /end of warmup +49 +4\.90 +0\.4\n/);
  assert.match(stdout, /milestone 2 +600 +60\.00 +0\.004\n/);
  assert.match(stdout, /last step +699 +69\.90 +0\.004\n/);
  assert.match(stdout, /milestone 3 +900 +90\.00 +not reached\n/);
  assert.match(stdout, /0\.4 ┼.*╮/);
  assert.match(stdout, / 0 +10 .* epoch\n$/);
  assert.ok(stdout.split("\n").every((line) => line.length <= 80));
});

test("knack schedule --epochs: a preset's warmup and milestones keep their shares, what is given stays as given", async () => {
  const rows = async (...args: string[]) => {
    const { stdout } = await schedule("--recipe", "efficient", "--epochs", "12", "--steps-per-epoch", "100", ...args);
    return Array.from(stdout.matchAll(/^(end of warmup|milestone \d) +(\d+)/gm), ([, what, step]) => `${what} ${step}`);
  };
  assert.deepEqual(await rows(), ["end of warmup 49", "milestone 1 300", "milestone 2 600", "milestone 3 900"]);
  assert.deepEqual(await rows("--warmup", "2", "--step-decay", "5"), ["end of warmup 199", "milestone 1 500"]);
});

test("knack schedule: wrong input is one line and exit code 2", async () => {
  for (const [args, message] of [
    [[], /^--steps-per-epoch: is missing/],
    [["--steps-per-epoch", "0"], /^--steps-per-epoch: must be a whole number above 0, not "0"/],
    [["--steps-per-epoch", "10", "--recipe", "efficent"], /^--recipe: .* did you mean "efficient"/],
    [["--steps-per-epoch", "10", "--epochs", "5", "--warmup", "5"], /^command line: --warmup: must be shorter/],
  ] as const) {
    const { stdout, stderr, code } = await schedule(...args);
    assert.match(stderr, message);
    assert.equal(stderr.trimEnd().split("\n").length, 1);
    assert.deepEqual({ stdout, code }, { stdout: "", code: 2 });
  }
});
