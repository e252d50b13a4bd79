import { prepareImages } from "../training/prepare-images.js";
import { ConvolutionChoices } from "../engine/convolution-choices.js";
import { DEFAULT_ENGINE } from "../engine/engine-name.js";
import { evaluationOf } from "../engine/evaluation.js";
import { noGradient } from "../tensor/autograd.js";
import { scope } from "../tensor/scope.js";
import { type EvaluationPrecision, precisionFor } from "../training/evaluation-precision.js";
import { lookOf } from "../weights/config.js";
import { loadModel } from "../weights/load-model.js";
import { BATCH_SIZE, type Network } from "./network.js";

/**
 * The network of a checkpoint, computed by the fast engine where that can, else by libtorch.
 *
 * @throws InputError as `loadModel`.
 */
export function openCheckpoint(path: string, device: string, asked: EvaluationPrecision): Network {
  const { model, config, format, convolutions } = loadModel(path, device);
  const { height, width, channels } = format;
  const engine = { ...DEFAULT_ENGINE, choices: new ConvolutionChoices(convolutions) };
  const precision = precisionFor(asked, config, device);
  const evaluation = evaluationOf(model, [channels, height, width], { device, precision, engine });
  return {
    format: { ...lookOf(config), size: [height, width], channels, mean: config.mean },
    batchSize: BATCH_SIZE,
    logits: async (pixels) =>
      scope(() =>
        noGradient(() => Float32Array.from(evaluation.logits(prepareImages(pixels, format, device)).toArray())),
      ),
    dispose: async () => {
      evaluation.dispose();
      model.dispose();
    },
  };
}
