/** Tiny trainings on noise: what the tests of training from trained weights, of unequal classes and of early stop share. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DataSource } from "../../src/data/image-set.js";
import type { TrainEvent } from "../../src/index.js";
import { ConvolutionChoices } from "../../src/engine/convolution-choices.js";
import { DEFAULT_ENGINE } from "../../src/engine/engine-name.js";
import { addon } from "../../src/native/torch/addon.js";
import { audit } from "../../src/run/audit.js";
import { startingWeights } from "../../src/tricks/starting-weights.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { Recipe, RecipeInput } from "../../src/recipe/recipe.js";
import { runSession } from "../../src/run/session.js";
import type { NewRun, ResumedRun } from "../../src/run/task.js";
import { Trainer } from "../../src/training/trainer.js";
import { loadResumable } from "../../src/weights/checkpoint.js";
import { batchOf, randomData } from "./random-data.js";

export { scratchFolder } from "./scratch-folder.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);
process.env.OMP_NUM_THREADS = "1";

export const BATCH = 8;
export const STEPS_PER_EPOCH = 4;
export const noise = randomData(BATCH * STEPS_PER_EPOCH, 16);

export const TINY: RecipeInput = {
  name: "tiny",
  model: "resnet18_small",
  modelOptions: { width: 4 },
  epochs: 3,
  batchSize: BATCH,
  lr: 0.05,
  seed: 1,
};

export function tiny(changes: RecipeInput = {}): Recipe {
  return parseRecipe({ ...TINY, ...changes }, "the test's recipe");
}

/** The noise with its labels made ones of fewer classes: label -> of(label). */
export function relabelled(classes: number, of: (label: number, index: number) => number): DataSource {
  const set = {
    ...noise.train,
    labels: noise.train.labels.map(of),
    classes: Array.from({ length: classes }, (_, label) => `class ${label}`),
  };
  return { train: set, validation: set, description: "relabelled noise" };
}

export const four = relabelled(4, (label) => label % 4);
/** 3 : 1, in every batch of 8 as well. */
export const unequal = relabelled(2, (_, index) => (index % 4 === 0 ? 1 : 0));

export function disposing(trainer: Trainer): Trainer & Disposable {
  return Object.assign(trainer, { [Symbol.dispose]: () => trainer.dispose() });
}

/** As the trainers of one run: the same algorithms for all of them, also where others use the machine while they are chosen. */
const engine = { ...DEFAULT_ENGINE, choices: new ConvolutionChoices() };

export function trainerOf(changes: RecipeInput, data: DataSource = four): Trainer & Disposable {
  const recipe = tiny(changes);
  return disposing(new Trainer(recipe, data, { device: "cpu", engine, startsFrom: startingWeights(recipe, []) }));
}

/** Steps from `from` up to, but not including, `to`. */
export function take(trainer: Trainer, from: number, to: number): void {
  for (let step = from; step < to; step++) trainer.step(batchOf(trainer.data as DataSource, BATCH, step), step);
}

/** A run in this thread, stopped after step `stopAfter`. */
export async function session(
  options: Partial<NewRun> | Partial<ResumedRun>,
  stopAfter?: number,
): Promise<TrainEvent[]> {
  let stopped = false;
  const events: TrainEvent[] = [];
  const whole = { workers: undefined, device: "cpu", ...options } as NewRun | ResumedRun;
  for await (const event of runSession(whole, () => stopped)) {
    events.push(event);
    if (event.type === "step" && event.step === stopAfter) stopped = true;
  }
  assert.equal(events.at(-1)?.type, stopAfter === undefined ? "done" : "interrupted");
  return events;
}

export function ofType<T extends TrainEvent["type"]>(events: readonly TrainEvent[], type: T) {
  return events.filter((event): event is Extract<TrainEvent, { type: T }> => event.type === type);
}

export function detailOf(trainer: Trainer, trick: string): string | undefined {
  return audit(trainer, "run").tricks.find((each) => each.trick === trick)?.detail;
}

/** What a run leaves behind but for times, and for what its weights from `init` were called. */
export function left(run: string, init = "") {
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8")
    .replaceAll(`weights from ${init}`, "")
    .trimEnd()
    .split("\n");
  const best = join(run, "checkpoints/best");
  return {
    weights: ["last", "best"].map((kind) => readFileSync(join(run, "checkpoints", kind, "model.safetensors"))),
    config: readFileSync(join(best, "config.json"), "utf8"),
    state: loadResumable(join(run, "checkpoints/last")).training,
    metrics: lines.map((line) => ({ ...JSON.parse(line), run: "", seconds: 0, imagesPerSecond: 0, waitSeconds: 0 })),
  };
}

export function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}
