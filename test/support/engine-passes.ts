/** One forward and backward pass by either engine, and how far what they give is apart. */
import assert from "node:assert/strict";
import type { FastEngine } from "../../src/engine/engine.js";
import { CompiledTraining, type CompiledTrainingOptions } from "../../src/engine/training.js";
import type { Module } from "../../src/nn/module.js";
import { backward, clearGradient, gradientOf, noGradient } from "../../src/tensor/autograd.js";
import { Generator } from "../../src/tensor/generator.js";
import { copyInPlace, crossEntropy, narrow, setData, toDType, uniformInPlace } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";

/** Uniform in [-1, 1]: every parameter and statistic is something else. */
export function fill(model: Module, seed: number): void {
  noGradient(() =>
    scope(() => {
      using generator = new Generator(seed);
      for (const [name, tensor] of model.state()) {
        if (name.endsWith("num_batches_tracked")) continue;
        if (name.endsWith("running_var") || (tensor.shape.length === 1 && name.endsWith("weight"))) {
          uniformInPlace(tensor, 0.5, 1.5, generator);
        } else uniformInPlace(tensor, -1, 1, generator);
      }
    }),
  );
}

/** The classes in turn, for images in that number. */
export const labels = (batch: number, classes: number) =>
  Tensor.from(BigInt64Array.from({ length: batch }, (_, index) => BigInt(index % classes)));

export interface Passed {
  readonly logits: number[];
  readonly gradients: ReadonlyMap<string, number[]>;
  readonly statistics: ReadonlyMap<string, number[]>;
}

/** One forward and backward pass; the model then is as it was. */
export function pass(model: Module, compute: () => Tensor, carryOn: () => void = () => {}): Passed {
  const saved = Array.from(model.state(), ([, tensor]) => ({ tensor, bytes: tensor.bytes() }));
  const logits = compute();
  const [batch = 0, classes = 0] = logits.shape;
  backward(crossEntropy(logits, labels(batch, classes)));
  carryOn();
  const gradients = new Map(
    Array.from(model.parameters(), ([name, parameter]) => [name, gradientOf(parameter)?.toArray() ?? []] as const),
  );
  for (const [, parameter] of model.parameters()) clearGradient(parameter);
  const statistics = new Map(
    Array.from(model.state())
      .filter(([name]) => name.includes("running_") || name.endsWith("_tracked"))
      .map(([name, tensor]) => [name, tensor.toArray()] as const),
  );
  noGradient(() => {
    for (const { tensor, bytes } of saved) copyInPlace(tensor, Tensor.from(bytes, tensor.shape, tensor.dtype));
  });
  return { logits: toDType(logits, "float32").toArray(), gradients, statistics };
}

export const length = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
/** How far `a` is from `b`, as a share of b's length. */
export const apart = (a: readonly number[], b: readonly number[]) => {
  assert.equal(a.length, b.length);
  return length(a.map((value, index) => value - (b[index] as number))) / (length(b) || 1);
};

export function near(actual: readonly number[], expected: readonly number[], tolerance: number, what: string): void {
  const distance = apart(actual, expected);
  assert.ok(distance < tolerance, `${what}: ${distance} apart`);
}

export function fastPass(
  model: Module,
  images: Tensor,
  by: FastEngine,
  masters: CompiledTrainingOptions["masters"],
): Passed {
  const training = new CompiledTraining(by, model, {
    shape: images.shape as unknown as [number, number, number, number],
    masters,
    forward: (given) => [model.forward(given)],
  });
  const passed = pass(
    model,
    () => training.forward(images)[0] as Tensor,
    () => training.backward(false),
  );
  training.dispose();
  return passed;
}

/** The plain pass in float64. */
export function inFloat64(model: Module, images: Tensor): Passed {
  const state = [...model.state()].filter(([, tensor]) => tensor.dtype === "float32");
  return scope(() => {
    // Looks into the memory that each has, which the engine may work on.
    const own = noGradient(() =>
      state.map(([, tensor]) => ({ tensor, view: narrow(tensor, 0, 0, tensor.shape[0] ?? 1) })),
    );
    noGradient(() => {
      for (const [, tensor] of state) setData(tensor, toDType(tensor, "float64"));
    });
    const found = pass(model, () => model.forward(toDType(images, "float64")));
    noGradient(() => {
      for (const { tensor, view } of own) setData(tensor, view);
    });
    return found;
  });
}
