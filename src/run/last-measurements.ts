import type { LabelledSet } from "../data/split.js";
import type { Trainer } from "../training/trainer.js";
import type { TestEvent, WarningEvent } from "./events.js";
import { lacksBfloat16, measureBfloat16 } from "./measure-bfloat16.js";
import { measureTest } from "./measure-test.js";
import type { RunFolder } from "./run-folder.js";
import { Stopped } from "./until-stop.js";

export interface Finished {
  readonly trainer: Trainer;
  /** Threads that load images. */
  readonly workers: number;
  /** What is measured once, where there is such a part. */
  readonly test: LabelledSet | undefined;
  /** Epochs that are done, and the one that the best weights are of. */
  readonly epochs: number;
  readonly epoch: number;
  readonly shouldStop: () => boolean;
}

/**
 * Measures a finished run's best weights: in bf16, and on what was kept for a test. It is trained, whatever comes of this. A run that is to
 * stop does without; it does it when it is resumed.
 */
export async function* lastMeasurements(
  run: RunFolder,
  { trainer, workers, test, epochs, epoch, shouldStop }: Finished,
): AsyncGenerator<TestEvent | WarningEvent> {
  const { recipe, data, device } = trainer;
  const afterBatch = () => {
    if (shouldStop()) throw new Stopped();
  };
  const place = { workers, maxBadImages: recipe.maxBadImages, afterBatch };
  try {
    if (lacksBfloat16(run, device)) await measureBfloat16(run, data.validation, place);
  } catch (error) {
    if (error instanceof Stopped) return;
    yield { type: "warning", message: `the best weights cannot be measured in bf16: ${reasonOf(error)}` };
  }
  try {
    const measured = test && (await measureTest(run, { test, epochs, epoch, device, ...place }));
    if (measured) yield measured;
  } catch (error) {
    if (error instanceof Stopped) return;
    yield { type: "warning", message: `the test part cannot be measured: ${reasonOf(error)}` };
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
