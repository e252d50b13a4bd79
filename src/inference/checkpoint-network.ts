import { prepareImages } from "../training/prepare-images.js";
import { ConvolutionChoices } from "../engine/convolution-choices.js";
import { DEFAULT_ENGINE } from "../engine/engine-name.js";
import { compiledInference } from "../engine/inference.js";
import { noGradient } from "../tensor/autograd.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { loadModel } from "../weights/load-model.js";
import { BATCH_SIZE, type Network } from "./network.js";

/**
 * The network of a checkpoint, computed in float32 by the fast engine where that can, else by libtorch.
 *
 * @throws InputError as `loadModel`.
 */
export function openCheckpoint(path: string, device: string): Network {
  const { model, config, format, convolutions } = loadModel(path, device);
  const { height, width, channels } = format;
  const engine = { ...DEFAULT_ENGINE, choices: new ConvolutionChoices(convolutions) };
  const fast = compiledInference(model, [channels, height, width], { device, precision: "fp32", engine });
  const forward = (images: Tensor) => (fast ? fast.logits(images) : model.forward(images));
  return {
    format: { size: [height, width], cropPct: config.crop_pct, interpolation: config.interpolation, channels },
    batchSize: BATCH_SIZE,
    logits: async (pixels) =>
      scope(() => noGradient(() => Float32Array.from(forward(prepareImages(pixels, format, device)).toArray()))),
    dispose: async () => {
      fast?.dispose();
      model.dispose();
    },
  };
}
