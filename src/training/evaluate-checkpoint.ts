import type { ImageSet } from "../data/image-set.js";
import { InputError } from "../errors.js";
import { loadModel } from "../weights/load-model.js";
import { type Evaluation, evaluate } from "./evaluate.js";
import { requireDevice } from "./require-device.js";
import { mismatches } from "./same-task.js";

/**
 * Evaluates a checkpoint in float32 on a data set's images, normalised as the checkpoint says.
 *
 * @param path a checkpoint's folder, a run's folder or a .safetensors file.
 * @throws InputError where the checkpoint is broken or was made for other images or classes.
 */
export function evaluateCheckpoint(path: string, set: ImageSet, device = "cpu"): Evaluation {
  requireDevice(device);
  const loaded = loadModel(path, device);
  try {
    const faults = mismatches(loaded, set);
    if (faults.length > 0)
      throw new InputError(`${path} does not fit ${set.name}: it was trained for ${faults.join(" and ")}`);
    const format = { ...loaded.format, height: set.height, width: set.width };
    return evaluate(loaded.model, set, { format, device });
  } finally {
    loaded.model.dispose();
  }
}
