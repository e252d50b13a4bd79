import { BatchNorm2d } from "../nn/layers/batch-norm2d.js";
import { Conv2d } from "../nn/layers/conv2d.js";
import { Linear } from "../nn/layers/linear.js";
import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { clone, full } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { createModel, type ModelOptions, modelEntry, type Task } from "./registry.js";

/** What a model costs for one image. */
export interface ModelProfile {
  readonly name: string;
  /** All that is trained, an auxiliary classifier included. */
  readonly parameters: number;
  /** Multiply-adds of the convolutions and fully connected layers in evaluation. */
  readonly macs: number;
  /** Numbers that these layers give out, as timm counts activations. */
  readonly activations: number;
  /** Height and width of the image in pixels. */
  readonly inputSize: number;
}

/** Models for images as large as this are counted with ImageNet's 1000 classes, the others with 10. */
const LARGE_IMAGE = 224;

/**
 * Counts what a model takes for one image of its input size. Nothing is computed: shapes go through the model.
 *
 * @param task ImageNet's 1000 classes, or 10 for a model of small images, and 3 channels where it does not say otherwise
 * @throws InputError as `createModel`
 */
export function profileModel(name: string, task: Partial<Task> = {}, options: ModelOptions = {}): ModelProfile {
  const { inputSize } = modelEntry(name);
  const { classes = inputSize < LARGE_IMAGE ? 10 : 1000, inChannels = 3 } = task;
  using model = createModel(name, { classes, inChannels }, options).eval();
  const parameters = Array.from(model.parameters(), ([, parameter]) => parameter.size).reduce((a, b) => a + b, 0);
  return { name, parameters, ...countLayers(model, [1, inChannels, inputSize, inputSize]), inputSize };
}

/**
 * Lets the model run on libtorch's "meta" device, whose tensors have shapes and no elements. Its convolutions and batch
 * normalisations need elements there, so those layers' forward is replaced by what it does to a shape: `model` is of no other
 * use afterwards.
 */
function countLayers(model: Module, input: readonly number[]): { macs: number; activations: number } {
  const total = { macs: 0, activations: 0 };
  const replaceForward = (layer: Conv2d | Linear, outputShape: (input: number[]) => number[]) => {
    const [outChannels = 1] = layer.weight.shape;
    const macsOfEach = layer.weight.size / outChannels;
    layer.forward = (input) => {
      const output = full(outputShape(input.shape), 0, "float32", "meta");
      total.activations += output.size;
      total.macs += output.size * macsOfEach;
      return output;
    };
  };
  for (const [, layer] of model.modules()) {
    if (layer instanceof Conv2d) replaceForward(layer, (shape) => layer.outputShape(shape));
    if (layer instanceof Linear) replaceForward(layer, ([batch = 1]) => [batch, layer.outFeatures]);
    if (layer instanceof BatchNorm2d) layer.forward = clone;
  }
  scope(() => noGradient(() => model.forward(full(input, 0, "float32", "meta"))).shape);
  return total;
}
