import type { ImageSet } from "../data/image-set.js";
import type { PhotoSet } from "../data/photo-set.js";
import type { Split } from "../data/split.js";
import { InputError } from "../errors.js";
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
 * @param workers threads that load photographs
 * @throws InputError where the checkpoint is broken or was made for other images or classes.
 */
export async function evaluateCheckpoint(
  path: string,
  set: ImageSet | PhotoSet,
  device = "cpu",
  workers = 0,
): Promise<CheckpointEvaluation> {
  const loaded = loadModel(path, device);
  try {
    const faults = mismatches(loaded, set);
    if (faults.length > 0)
      throw new InputError(`${path} does not fit ${set.name}: it was trained for ${faults.join(" and ")}`);
    const split = asTrainedOn(loaded, set);
    const loader = evaluationLoader(split, { onBadImage: "skip", workers });
    try {
      const evaluation = await evaluate(loaded.model, loader.all(), { format: split, device });
      return { ...evaluation, badPictures: loader.badPictures };
    } finally {
      await loader.close();
    }
  } finally {
    loaded.model.dispose();
  }
}

/** The images as the checkpoint's network wants them. */
function asTrainedOn({ config, format }: LoadedModel, set: ImageSet | PhotoSet): Split {
  const { mean, std, height, width, channels } = format;
  if (!("kind" in set)) return { ...set, mean, std };
  const { crop_pct: cropPct, interpolation } = config;
  return { ...set, ...format, evaluation: { size: [height, width], cropPct, interpolation, channels } };
}
