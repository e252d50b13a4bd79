import { existsSync } from "node:fs";
import type { LabelledSet } from "../data/split.js";
import type { TestEvent } from "./events.js";
import { evaluateCheckpoint } from "./evaluate-checkpoint.js";
import type { RunFolder } from "./run-folder.js";

export interface TestTask {
  readonly test: LabelledSet;
  /** Finished epochs of the run, and the one that its best weights are of. */
  readonly epochs: number;
  readonly epoch: number;
  readonly device: string;
  readonly workers: number;
  readonly maxBadImages: number;
  /** Called after each batch of images; what it throws ends it. */
  readonly afterBatch: () => void;
}

/**
 * Measures the best weights of a run that came to its end on what was kept for a test.
 *
 * @returns undefined where that was done at the same end before
 */
export async function measureTest(run: RunFolder, task: TestTask): Promise<TestEvent | undefined> {
  const { test, epochs, epoch, device, workers, maxBadImages, afterBatch } = task;
  const before = run.readCurves().filter((event) => event.type === "test");
  if (before.some((event) => event.epochs === epochs)) return undefined;
  const checkpoint = existsSync(run.bestCheckpoint) ? run.bestCheckpoint : run.lastCheckpoint;
  const place = { device, workers, maxBadImages, afterBatch };
  const { metrics, images } = await evaluateCheckpoint(checkpoint, [test], place);
  return { type: "test", epochs, epoch, images, metrics, time: before.length + 1 };
}
