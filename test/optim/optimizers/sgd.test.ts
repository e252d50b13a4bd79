/** The optimizer's update, by hand and against PyTorch's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Parameter } from "../../../src/nn/module.js";
import { WEIGHT } from "../../../src/nn/parameter-role.js";
import { backward, gradientOf } from "../../../src/tensor/autograd.js";
import { mul, sumAll } from "../../../src/tensor/ops.js";
import { randomFor } from "../../../src/tensor/random.js";
import type { RawTensor } from "../../../src/tensor/raw-tensor.js";
import { liveTensors, scope } from "../../../src/tensor/scope.js";
import { Tensor } from "../../../src/tensor/tensor.js";
import { sgd as sgdPart } from "../../../src/optim/optimizers/sgd.js";
import { askPython } from "../../support/oracle.js";
import { near } from "../../support/near.js";
import { floats } from "../../support/tiny-training.js";

for (const nesterov of [true, false]) {
  test(`SGD ${nesterov ? "with" : "without"} Nesterov steps as written by hand, and an overflow changes nothing`, () => {
    const before = liveTensors();
    const [lr, decay, momentum, scale] = [0.5, 0.25, 0.5, 8];
    const parameter = Parameter.of(Tensor.from([1, -2]), WEIGHT);
    const other = Parameter.of(Tensor.from([4]), WEIGHT);
    const groups = [
      { parameters: new Map([["a", parameter]]), weightDecay: decay, lrFactor: 1 },
      { parameters: new Map([["b", other]]), weightDecay: 0, lrFactor: 1 },
    ];
    const sgd = sgdPart.create(groups, { momentum, nesterov }, new Map());
    /** A step whose gradients, before the scale is taken out, are these. */
    const step = (a: number[], b: number[]) => {
      scope(() => {
        backward(sumAll(mul(parameter, Tensor.from(a))));
        backward(sumAll(mul(other, Tensor.from(b))));
      });
      using finite = sgd.gradientsFinite();
      if (finite.item() === 1) sgd.step(lr, 1 / scale);
      else sgd.skip();
      return finite.item() === 1;
    };
    const state = () => [
      ...parameter.toArray(),
      ...other.toArray(),
      ...[...sgd.state()].flatMap(([, v]) => v.toArray()),
    ];
    const byHand = (w: number, v: number, gradient: number, weightDecay: number) => {
      const g = gradient / scale + weightDecay * w;
      const next = momentum * v + g;
      return { w: w - lr * (nesterov ? g + momentum * next : next), v: next };
    };

    assert.equal(step([8, 16], [24]), true);
    const [a0, a1, b] = [byHand(1, 0, 8, decay), byHand(-2, 0, 16, decay), byHand(4, 0, 24, 0)];
    assert.deepEqual(state(), [a0.w, a1.w, b.w, a0.v, a1.v, b.v]);

    for (const overflow of [Number.POSITIVE_INFINITY, Number.NaN]) {
      const untouched = state();
      assert.equal(step([8, 8], [overflow]), false);
      assert.deepEqual(state(), untouched);
      assert.equal(gradientOf(parameter), null);
    }

    assert.equal(step([0, 8], [0]), true);
    const [c0, c1, d] = [byHand(a0.w, a0.v, 0, decay), byHand(a1.w, a1.v, 8, decay), byHand(b.w, b.v, 0, 0)];
    assert.deepEqual(state(), [c0.w, c1.w, d.w, c0.v, c1.v, d.v]);

    sgd.dispose();
    parameter.dispose();
    other.dispose();
    assert.equal(liveTensors(), before);
  });
}

test("gradients whose squares overflow are finite", () => {
  const parameter = Parameter.of(Tensor.from([1, 1]), WEIGHT);
  const groups = [{ parameters: new Map([["a", parameter]]), weightDecay: 0, lrFactor: 1 }];
  const sgd = sgdPart.create(groups, { momentum: 0, nesterov: false }, new Map());
  const finiteness = (gradient: number[]) => {
    scope(() => backward(sumAll(mul(parameter, Tensor.from(gradient)))));
    using finite = sgd.gradientsFinite();
    sgd.skip();
    return finite.item() === 1;
  };
  const gradients = [
    [3e38, -3e38],
    [1e-45, 1e30],
    [3e38, Number.NaN],
    [Number.NEGATIVE_INFINITY, 1e30],
  ];
  assert.deepEqual(gradients.map(finiteness), [true, true, false, false]);
  sgd.dispose();
  parameter.dispose();
});

test("parameter groups with rates of their own step as PyTorch's", () => {
  const [rates, momentum] = [[0.1, 0.3, 0.02], 0.9];
  const groups = [
    { names: ["a", "b"], decay: 0.05, factor: 0.1 },
    { names: ["c"], decay: 0.05, factor: 1 },
    { names: ["d"], decay: 0, factor: 0.1 },
    { names: ["e"], decay: 0, factor: 1 },
  ];
  const random = randomFor(0, "groups");
  const draw = () => Float32Array.from({ length: 5 }, () => 2 * random.uniform() - 1);
  const given = new Map<string, RawTensor>();
  const put = (name: string, values: Float32Array) =>
    given.set(name, { dtype: "float32", shape: [5], data: new Uint8Array(values.buffer) });
  const parameters = new Map<string, Parameter>();
  const gradients = new Map<string, Float32Array[]>();
  for (const name of groups.flatMap(({ names }) => names)) {
    const values = draw();
    put(name, values);
    parameters.set(name, Parameter.of(Tensor.from([...values]), WEIGHT));
    gradients.set(name, rates.map(draw));
    for (const [step, gradient] of (gradients.get(name) ?? []).entries()) put(`${name}.grad.${step}`, gradient);
  }
  const settings = [groups, rates, momentum].map((value) => JSON.stringify(value));
  const expected = askPython("sgd_groups.py", given, ...settings);
  const sgd = sgdPart.create(
    groups.map(({ names, decay, factor }) => ({
      parameters: new Map([...parameters].filter(([name]) => names.includes(name))),
      weightDecay: decay,
      lrFactor: factor,
    })),
    { momentum, nesterov: true },
    new Map(),
  );
  for (const [step, rate] of rates.entries()) {
    scope(() => {
      for (const [name, parameter] of parameters) {
        backward(sumAll(mul(parameter, Tensor.from([...(gradients.get(name)?.[step] ?? [])]))));
      }
    });
    sgd.step(rate, 1);
  }
  for (const [name, tensor] of [...parameters, ...sgd.state()]) {
    const wanted = floats(expected.get(name)?.data ?? new Uint8Array());
    near(tensor.toArray(), [...wanted], 1e-6);
  }
  sgd.dispose();
  for (const parameter of parameters.values()) parameter.dispose();
});
