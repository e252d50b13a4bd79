import { type Module, Parameter, StateBuffer } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { full } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { ModelOptions, Task } from "./entry.js";
import { createModel, modelEntry } from "./registry.js";

/** What a model costs for one image. */
export interface ModelProfile {
  readonly name: string;
  /** All that is trained, an auxiliary classifier included. */
  readonly parameters: number;
  /** Multiply-adds of the layers that say theirs, as convolutions and fully connected layers, in evaluation. */
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
  return { name, parameters, ...costOf(model, [1, inChannels, inputSize, inputSize]), inputSize };
}

/**
 * Lets the model run on libtorch's "meta" device, whose tensors have shapes and no elements. Not all operators can (convolution and
 * batch normalisation need elements there), so the forward of every layer that says its cost is replaced by what it does to a shape:
 * `model` is of no other use afterwards.
 *
 * @param input [N, C, H, W]
 * @returns multiply-adds, and the numbers that the layers which have any give out
 */
export function costOf(model: Module, input: readonly number[]): { macs: number; activations: number } {
  const total = { macs: 0, activations: 0 };
  for (const [, layer] of model.modules()) {
    const cost = layer.cost?.bind(layer);
    if (!cost) {
      dropElements(layer);
      continue;
    }
    layer.forward = ({ shape }) => {
      const { outputShape, multiplyAdds } = cost(shape);
      const output = full(outputShape, 0, "float32", "meta");
      total.macs += multiplyAdds;
      if (multiplyAdds > 0) total.activations += output.size;
      return output;
    };
  }
  scope(() => noGradient(() => model.forward(full(input, 0, "float32", "meta"))).shape);
  return total;
}

/** Replaces what a layer itself holds by the same on the meta device. */
function dropElements(layer: Module): void {
  for (const [name, tensor] of layer.ownState()) {
    const shape = full(tensor.shape, 0, tensor.dtype, "meta");
    const replaced = tensor instanceof Parameter ? Parameter.of(shape, tensor.role) : StateBuffer.of(shape);
    Object.assign(layer, { [name]: replaced });
    tensor.dispose();
  }
}
