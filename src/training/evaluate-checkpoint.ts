import type { ImageSet } from "../data/image-set.js";
import { InputError } from "../errors.js";
import { type Evaluation, evaluate } from "./evaluate.js";
import { loadModel } from "./load-model.js";
import { requireDevice } from "./require-device.js";

/**
 * Evaluates a checkpoint in float32 on a data set's images, normalised as the checkpoint says.
 *
 * @param path a checkpoint's folder, a run's folder or a .safetensors file.
 * @throws InputError where the checkpoint is broken or was made for other images or classes.
 */
export function evaluateCheckpoint(path: string, set: ImageSet, device = "cpu"): Evaluation {
  requireDevice(device);
  const { model, config, format } = loadModel(path, device);
  try {
    if (format.channels !== set.channels) {
      throw new InputError(`${path} takes ${format.channels}-channel images, ${set.name} has ${set.channels} channels`);
    }
    if (config.num_classes !== set.classes.length) {
      throw new InputError(`${path} knows ${config.num_classes} classes, ${set.name} has ${set.classes.length}`);
    }
    return evaluate(model, set, {
      format: { ...format, height: set.height, width: set.width },
      device,
    });
  } finally {
    model.dispose();
  }
}
