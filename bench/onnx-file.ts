/** `onnx-file.js MODEL SIZE FILE fp32|int8`: a model of random weights as an ONNX file, for its runtimes; started by bench/index.ts. */
import { writeFileSync } from "node:fs";
import { createModel } from "../src/models/registry.js";
import { foldBatchNorm } from "../src/nn/graph/fold-batch-norm.js";
import { traceGraph } from "../src/nn/graph/graph.js";
import { xavierUniform } from "../src/nn/initialise.js";
import { BatchNorm2d } from "../src/nn/layers/batch-norm2d.js";
import type { Module } from "../src/nn/module.js";
import { onnxModel } from "../src/onnx/export.js";
import { observe } from "../src/onnx/quantize/observe.js";
import type { Pictures } from "../src/onnx/quantize/pictures.js";
import { tensorsOf, unitsOf } from "../src/onnx/quantize/units.js";
import { withIntegers } from "../src/onnx/quantize/with-integers.js";
import { encodeModel, type ModelProto } from "../src/onnx/schema.js";
import { noGradient } from "../src/tensor/autograd.js";
import { Generator } from "../src/tensor/generator.js";
import { full, normalInPlace } from "../src/tensor/ops.js";
import { scope } from "../src/tensor/scope.js";

/** Pictures of noise that ranges are found on. */
const SEEN = 8;

const [model = "", sizeText = "", file = "", form] = process.argv.slice(2);
const size = Number(sizeText);
const float = scope(() => {
  using network = createModel(model, { classes: 1000, inChannels: 3 });
  xavierUniform(network, 0);
  calibrate(network);
  return onnxModel(foldBatchNorm(traceGraph(network.eval(), [1, 3, size, size])), {});
});
writeFileSync(file, encodeModel(form === "int8" ? await inIntegers(float) : float));

/** Gives batch norms the statistics of noise: else next to nothing of the images is left in the logits, and what is left is rounding. */
function calibrate(network: Module): void {
  network.eval();
  for (const [, module] of network.modules()) {
    if (module instanceof BatchNorm2d) Object.assign(module, { training: true, momentum: 1 });
  }
  using generator = new Generator(0);
  using noise = normalInPlace(full([SEEN, 3, size, size], 0), 0, 1, generator);
  noGradient(() => network.forward(noise));
}

/** All layers in integers, ranges from the least number to the greatest, as ONNX Runtime's quantizer has them by default. */
async function inIntegers(given: ModelProto): Promise<ModelProto> {
  const units = unitsOf(given);
  const pixels = Uint8Array.from({ length: SEEN * size * size * 3 }, (_, index) => (index * 2654435761) >>> 24);
  const format = { height: size, width: size, channels: 3, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] } as const;
  const seen: Pictures = { pixels, labels: new Int32Array(SEEN), count: SEEN, format };
  const histograms = await observe(given, tensorsOf(units), seen);
  const ranges = new Map(Array.from(histograms, ([name, { range }]) => [name, range]));
  return withIntegers(given, units, { ranges, inFloat: new Set(), largestWeight: 127 });
}
