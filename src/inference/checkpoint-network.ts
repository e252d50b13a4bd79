import { prepareImages } from "../data/prepare-images.js";
import { noGradient } from "../tensor/autograd.js";
import { scope } from "../tensor/scope.js";
import { loadModel } from "../weights/load-model.js";
import { BATCH_SIZE, type Network } from "./network.js";

/**
 * The network of a checkpoint, computed by libtorch in float32.
 *
 * @throws InputError as `loadModel`.
 */
export function openCheckpoint(path: string, device: string): Network {
  const { model, config, format } = loadModel(path, device);
  const { height, width, channels } = format;
  return {
    format: { size: [height, width], cropPct: config.crop_pct, interpolation: config.interpolation, channels },
    batchSize: BATCH_SIZE,
    logits: async (pixels) =>
      scope(() => noGradient(() => Float32Array.from(model.forward(prepareImages(pixels, format, device)).toArray()))),
    dispose: async () => model.dispose(),
  };
}
