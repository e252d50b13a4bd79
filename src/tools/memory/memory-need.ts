import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { KnackError } from "../../base/errors.js";
import type { ProbedTraining } from "./probe.js";

const PROBE = fileURLToPath(new URL("./probe.js", import.meta.url));

/** Pixels of the smaller of the two batches that are tried: enough for their memory to stand out. */
const PROBED_PIXELS = 8 * 224 * 224;
const [LEAST_PROBED, MOST_PROBED] = [8, 512];
/** What a run takes varies by that from one time to the next. */
const MARGIN = 1.05;

/** How much memory a training takes at most, by its batch size. */
export interface MemoryNeed {
  /** Bytes. */
  at(batchSize: number): number;
  /** The largest batch size that takes no more than so many bytes; 0 where none does. */
  largestIn(bytes: number): number;
}

/**
 * Finds out by training two steps each with two small batches, in processes of their own: memory grows by the image. All is counted: the data's workers,
 * a validation, a checkpoint. Takes some ten seconds for ResNet-50 on two cores.
 *
 * @param held bytes of images that are in memory whatever the batch
 * @throws KnackError where the training fails
 */
export async function memoryNeed(training: ProbedTraining, held = 0): Promise<MemoryNeed> {
  const { accumulation } = training.recipe;
  const { height, width } = training.pictures;
  const wanted = Math.min(MOST_PROBED, Math.max(LEAST_PROBED, PROBED_PIXELS / (height * width)));
  const [few, a, b] = await twoProbes(training, accumulation * Math.ceil(wanted / accumulation));
  // Never nothing, whatever else a process had.
  const perImage = Math.max(height * width, (b - a) / few);
  const base = b - 2 * few * perImage + held;
  const at = (batchSize: number) => MARGIN * (base + batchSize * perImage);
  return {
    at,
    largestIn: (bytes) => accumulation * Math.max(0, Math.floor((bytes / MARGIN - base) / perImage / accumulation)),
  };
}

/** A batch size, and what it and twice as many images take. Where that does not fit smaller ones are tried. */
async function twoProbes(training: ProbedTraining, batchSize: number): Promise<[number, number, number]> {
  try {
    return [batchSize, await probe(training, batchSize), await probe(training, 2 * batchSize)];
  } catch (error) {
    const { accumulation } = training.recipe;
    const fewer = accumulation * Math.floor(batchSize / 4 / accumulation);
    if (fewer < LEAST_PROBED / 2) throw error;
    return twoProbes(training, fewer);
  }
}

/** Bytes that a training's process had at most. */
async function probe({ recipe, ...training }: ProbedTraining, batchSize: number): Promise<number> {
  const task: ProbedTraining = { ...training, recipe: { ...recipe, batchSize } };
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [PROBE, JSON.stringify(task)]);
    return JSON.parse(stdout).bytes;
  } catch (error) {
    const { stderr = "" } = error as { stderr?: string };
    const reason = /^\w*Error: (.*)$/m.exec(stderr)?.[1] ?? (error as Error).message.split("\n")[0];
    throw new KnackError(`two steps of a batch of ${batchSize} cannot be tried: ${reason}`, { cause: error });
  }
}
