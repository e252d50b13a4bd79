/** The same seed gives the same bits: twice, with any number of loader threads, and whatever stopped the run on its way. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import type { TrainEvent } from "../../src/run/events.js";
import type { RecipeInput } from "../../src/recipe/recipe.js";
import { type ResumeOptions, type TrainOptions, train } from "../../src/run/train.js";
import { loadResumable } from "../../src/weights/checkpoint.js";
import { repositoryRoot } from "../support/oracle.js";
import { writeTinyData } from "../support/tiny-data.js";

// For the training threads. Two that wait for each other on a busy machine's two cores are far slower than one.
process.env.OMP_NUM_THREADS = "1";

const STEPS_PER_EPOCH = 8;

/** Everything that has a state or draws random numbers. */
const recipe: RecipeInput = {
  name: "tiny",
  model: "resnet18d",
  modelOptions: { width: 8 },
  epochs: 2,
  batchSize: 32,
  accumulation: 2,
  schedule: { type: "cosine" },
  warmup: { epochs: 0.5 },
  precision: "bf16",
  lossScale: "dynamic",
  labelSmoothing: { epsilon: 0.1, spread: "others" },
  mixup: { alpha: 0.2, pairing: "permute" },
  ema: { decay: 0.9 },
  augmentation: { crop: 2, flip: true },
  seed: 7,
};

const folder = mkdtempSync(join(tmpdir(), "knack-determinism-"));
const data = writeTinyData(join(folder, "data"), { train: 32 * STEPS_PER_EPOCH + 5, validation: 64 });
const uninterrupted = join(folder, "uninterrupted");

before(() => run({ data, recipe, out: uninterrupted }));
after(() => rmSync(folder, { recursive: true }));

for (const workers of [0, 1, 3]) {
  test(`the same run again, with ${workers} loader threads`, async () => {
    const out = join(folder, `workers-${workers}`);
    await run({ data, recipe, out, workers });
    assertSameRun(out);
  });
}

test("another seed gives other weights", async () => {
  const out = join(folder, "other-seed");
  await run({ data, recipe: { ...recipe, seed: 8 }, out });
  assert.notDeepEqual(finalWeights(out), finalWeights(uninterrupted));
});

test("a run that was stopped in the middle of an epoch, twice, and resumed", async () => {
  const out = join(folder, "stopped");
  const stopAfter = async (options: TrainOptions | ResumeOptions, step: number) => {
    const abort = new AbortController();
    const events = await run({ ...options, signal: abort.signal }, (event) => {
      if (event.type === "step" && event.step === step) abort.abort();
    });
    assert.equal(events.at(-1)?.type, "interrupted");
  };
  await stopAfter({ data, recipe, out }, STEPS_PER_EPOCH + 3);
  await stopAfter({ resume: out, workers: 2 }, STEPS_PER_EPOCH + 6);
  await run({ resume: out });
  assertSameRun(out);
});

test("a run whose loop was left, and resumed", async () => {
  const out = join(folder, "left");
  for await (const event of train({ data, recipe, out })) if (event.type === "step" && event.step === 2) break;
  await run({ resume: out });
  assertSameRun(out);
});

test("a run that was killed after an epoch, and resumed", async () => {
  const out = join(folder, "killed");
  const child = knack(out, recipe);
  const ended = once(child, "exit");
  for await (const line of createInterface(child.stdout)) {
    const event = JSON.parse(line) as TrainEvent;
    if (event.type === "step" && event.step === STEPS_PER_EPOCH + 2) child.kill("SIGKILL");
  }
  assert.deepEqual(await ended, [null, "SIGKILL"]);
  await run({ resume: out });
  assertSameRun(out);
});

test("two threads in the engine: the same bits twice", async () => {
  const short = { ...recipe, epochs: 1, batchSize: 128, accumulation: 1, warmup: false } as const;
  const runs = ["two-threads", "two-threads-again"].map((name) => join(folder, name));
  for (const out of runs) {
    const child = knack(out, short, { OMP_NUM_THREADS: "2" });
    child.stdout.resume();
    assert.deepEqual(await once(child, "exit"), [0, null]);
  }
  const [one, other] = runs.map(finalWeights);
  assert.deepEqual(one, other);
});

/** A run by the command line. */
function knack(out: string, recipe: RecipeInput, env: NodeJS.ProcessEnv = {}) {
  const recipeFile = `${out}.json`;
  writeFileSync(recipeFile, JSON.stringify(recipe));
  const command = ["train", data, "--recipe", recipeFile, "--out", out, "--json"];
  return spawn(process.execPath, [join(repositoryRoot, "bin/knack.js"), ...command], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
}

async function run(
  options: TrainOptions | ResumeOptions,
  listen: (event: TrainEvent) => void = () => {},
): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train(options)) {
    events.push(event);
    listen(event);
  }
  return events;
}

/** Same weights, same training state, and the same metrics but for times. */
function assertSameRun(path: string): void {
  assert.deepEqual(finalWeights(path), finalWeights(uninterrupted));
  const state = (run: string) => loadResumable(join(run, "checkpoints/last")).training;
  assert.deepEqual(state(path), state(uninterrupted));
  assert.deepEqual(metrics(path), metrics(uninterrupted));
}

/** The files' bytes: the last epoch's weights, and the best's. */
function finalWeights(run: string): Buffer[] {
  return ["last", "best"].map((kind) => readFileSync(join(run, "checkpoints", kind, "model.safetensors")));
}

function metrics(run: string): object[] {
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  return lines.map((line) => ({ ...JSON.parse(line), run: "", seconds: 0, imagesPerSecond: 0, waitSeconds: 0 }));
}
