/** Models with random weights, and what PyTorch makes of the same weights and images. */
import assert from "node:assert/strict";
import { BatchNorm2d } from "../../src/nn/layers/batch-norm2d.js";
import { Dropout } from "../../src/nn/layers/dropout.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import type { Module } from "../../src/nn/module.js";
import { isResidualBlock } from "../../src/nn/residual-block.js";
import { fromRawTensor, rawTensor, stateDict } from "../../src/nn/state-dict.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { Generator } from "../../src/tensor/generator.js";
import { full, normalInPlace, uniformInPlace } from "../../src/tensor/ops.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import { scope } from "../../src/tensor/scope.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { askPython } from "./oracle.js";

/**
 * Weights and statistics none of which is 0 or 1, so that no entry can be mixed up with another unnoticed. The gammas at the
 * end of residual blocks are small, as in trained networks: with large ones 50 blocks magnify float32's rounding, PyTorch's
 * and ours, beyond 1e-4.
 */
export function randomise(model: Module): void {
  xavierUniform(model, 1);
  using generator = new Generator(2);
  noGradient(() => {
    for (const [name, tensor] of model.state()) {
      if (name.endsWith("running_var")) uniformInPlace(tensor, 0.5, 1.5, generator);
      else if (name.endsWith("running_mean") || name.endsWith("bias")) normalInPlace(tensor, 0, 0.2, generator);
      else if (tensor.shape.length === 1) uniformInPlace(tensor, 0.5, 1.5, generator);
    }
    for (const [, module] of model.modules()) {
      if (isResidualBlock(module)) uniformInPlace(module.lastNorm.weight, 0.1, 0.4, generator);
    }
  });
}

/** Gives the running statistics those of these images: else a deep network in evaluation mode hardly sees its input. */
export function calibrate(model: Module, images: Tensor): void {
  const norms = Array.from(model.modules()).flatMap(([, module]) => (module instanceof BatchNorm2d ? [module] : []));
  const setMomentum = (momentum: number) => norms.map((norm) => Object.assign(norm, { momentum }));
  setMomentum(1);
  scope(() => {
    noGradient(() => withoutDropout(model).train().forward(images));
  });
  setMomentum(0.1);
}

/** The model with every dropout switched off, which PyTorch would draw otherwise. */
export function withoutDropout<M extends Module>(model: M): M {
  for (const [, module] of model.modules()) if (module instanceof Dropout) module.forward = (input) => input;
  return model;
}

export function randomImages(...shape: number[]): Tensor {
  using generator = new Generator(3);
  return normalInPlace(full(shape, 0), 0, 1, generator);
}

export interface PytorchCase {
  readonly model: Module;
  readonly images: Tensor;
  /** A class of models_reference.py or resnet_reference.py, or a function of torchvision.models, and its arguments. */
  readonly pytorch: { readonly model: string; readonly options: object };
  /** Whether a pass in training mode is compared, too. */
  readonly train?: boolean;
}

/** PyTorch's answers for all cases, by case and then as models_forward.py names them: "eval", "train", "auxiliary", "buffers/…". */
export function askForward(cases: Readonly<Record<string, PytorchCase>>): (key: string, what: string) => number[] {
  const question = new Map<string, RawTensor>();
  for (const [key, { model, images }] of Object.entries(cases)) {
    question.set(`${key}/images`, rawTensor(images));
    for (const [name, raw] of stateDict(model)) question.set(`${key}/${name}`, raw);
  }
  const specs = Object.entries(cases).map(([key, { pytorch, train = false }]) => [key, { ...pytorch, train }]);
  const answer = askPython("models_forward.py", question, JSON.stringify(Object.fromEntries(specs)));
  return (key, what) => {
    const raw = answer.get(`${key}/${what}`);
    assert.ok(raw, `PyTorch did not return ${key}/${what}`);
    using tensor = fromRawTensor(raw);
    return tensor.toArray();
  };
}

export function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** Fails where numbers are further apart than 1e-4 of the largest expected one (of 1 where that is less). */
export function assertNear(actual: readonly number[], expected: readonly number[], what: string): void {
  assert.equal(actual.length, expected.length, what);
  const off = largest(actual.map((value, i) => value - (expected[i] ?? Number.NaN))) / Math.max(1, largest(expected));
  assert.ok(off < 1e-4, `${what}: ${off} off`);
}
