import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { KnackError } from "../../base/errors.js";
import type { ProbedTraining } from "./probe.js";

const PROBE = fileURLToPath(new URL("./probe.js", import.meta.url));

/** Pixels of the larger of the two batches that are tried: enough for their memory to stand out. */
const PROBED_PIXELS = 16 * 224 * 224;
const [LEAST_PROBED, MOST_PROBED] = [16, 1024];
/** Images of the smaller one: few, so that what a process takes without any is not far. */
const FEW = 8;
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
 * Finds out by training two steps each with a batch of a few images and one of some more, in processes of their own: memory grows by the image. All is counted: the data's workers,
 * a validation, a checkpoint. Takes some twenty seconds for ResNet-50 on two cores.
 *
 * @param held bytes that are in memory whatever the batch: of images, of an evaluation's scores
 * @throws KnackError where the training fails
 */
export async function memoryNeed(training: ProbedTraining, held = 0): Promise<MemoryNeed> {
  const { accumulation } = training.recipe;
  const { height, width } = training.pictures;
  const wanted = Math.min(MOST_PROBED, Math.max(LEAST_PROBED, PROBED_PIXELS / (height * width)));
  const units = (images: number) => accumulation * Math.ceil(images / accumulation);
  const [few, many] = await twoProbes(training, units(FEW), units(Math.max(wanted, 2 * accumulation)));
  // Never nothing, whatever else a process had.
  const perImage = Math.max(height * width, (many.bytes - few.bytes) / (many.images - few.images));
  const base = many.bytes - many.images * perImage + held;
  const at = (batchSize: number) => MARGIN * (base + batchSize * perImage);
  return {
    at,
    largestIn: (bytes) => accumulation * Math.max(0, Math.floor((bytes / MARGIN - base) / perImage / accumulation)),
  };
}

interface Probed {
  readonly images: number;
  readonly bytes: number;
}

/** What a small batch takes and what a large one does. Where that does not fit smaller ones are tried. */
async function twoProbes(training: ProbedTraining, few: number, many: number): Promise<[Probed, Probed]> {
  const tried = async (images: number) => ({ images, bytes: await probe(training, images) });
  try {
    return [await tried(few), await tried(many)];
  } catch (error) {
    const { accumulation } = training.recipe;
    const units = (images: number) => accumulation * Math.floor(images / accumulation);
    const [fewer, less] = [Math.min(few, units(many / 8)), units(many / 4)];
    if (fewer < Math.max(2, accumulation)) throw error;
    return twoProbes(training, fewer, less);
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
