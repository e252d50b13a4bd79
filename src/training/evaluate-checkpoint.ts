import { BadPictures } from "../data/bad-pictures.js";
import type { ImageSet } from "../data/image-set.js";
import type { Batch, Loader } from "../data/loader.js";
import type { PhotoSet } from "../data/photo-set.js";
import type { Split } from "../data/split.js";
import { InputError } from "../errors.js";
import { fastInference } from "../fast/fast-inference.js";
import { type LoadedModel, loadModel } from "../weights/load-model.js";
import { type Evaluation, evaluate, evaluationLoader } from "./evaluate.js";
import { mismatches } from "./same-task.js";

export interface CheckpointEvaluation extends Evaluation {
  /** Photographs that could not be read and were left out: names and reasons. */
  readonly badPictures: ReadonlyMap<string, string>;
}

/**
 * Evaluates a checkpoint in float32 on a data set's images, brought to size and normalised as the checkpoint says.
 *
 * @param path a checkpoint's folder, a run's folder or a .safetensors file.
 * @param sets what is evaluated on, of one data source
 * @param workers threads that load photographs
 * @throws InputError where the checkpoint is broken or was made for other images or classes.
 */
export async function evaluateCheckpoint(
  path: string,
  sets: readonly [ImageSet | PhotoSet, ...(ImageSet | PhotoSet)[]],
  { device = "cpu", workers = 0 }: { device?: string; workers?: number } = {},
): Promise<CheckpointEvaluation> {
  const loaded = loadModel(path, device);
  const loaders: Loader[] = [];
  const { channels, height, width } = loaded.format;
  const fast = fastInference(loaded.model, [channels, height, width], { device, precision: "fp32" });
  try {
    for (const set of sets) {
      const faults = mismatches(loaded, set);
      if (faults.length === 0) continue;
      throw new InputError(`${path} does not fit ${set.name}: it was trained for ${faults.join(" and ")}`);
    }
    const splits = sets.map((set) => asTrainedOn(loaded, set));
    const count = sets.reduce((sum, set) => sum + set.count, 0);
    const badPictures = new BadPictures(sets[0].name, count, "skip");
    for (const split of splits) loaders.push(evaluationLoader(split, { badPictures, workers }));
    const [first] = splits as [Split];
    const evaluation = await evaluate(loaded.model, allOf(loaders), {
      format: first,
      device,
      logits: fast && ((images) => fast.logits(images)),
    });
    return { ...evaluation, badPictures };
  } finally {
    await Promise.all(loaders.map((loader) => loader.close()));
    fast?.dispose();
    loaded.model.dispose();
  }
}

async function* allOf(loaders: readonly Loader[]): AsyncGenerator<Batch> {
  for (const loader of loaders) yield* loader.all();
}

/** The images as the checkpoint's network wants them. */
function asTrainedOn({ config, format }: LoadedModel, set: ImageSet | PhotoSet): Split {
  const { mean, std, height, width, channels } = format;
  if (!("kind" in set)) return { ...set, mean, std };
  const { crop_pct: cropPct, interpolation } = config;
  return { ...set, ...format, evaluation: { size: [height, width], cropPct, interpolation, channels } };
}
