/** Which layout a network's images have, and that Inception, whose branches are concatenated, computes the same in both. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_ENGINE, type EngineChoice } from "../../src/engine/engine-name.js";
import { FastEngine } from "../../src/engine/engine.js";
import { ConvolutionChoices } from "../../src/engine/convolution-choices.js";
import { layoutFor } from "../../src/engine/image-layout.js";
import { CompiledInference } from "../../src/engine/inference.js";
import { CompiledTraining } from "../../src/engine/training.js";
import { createModel } from "../../src/models/registry.js";
import type { Convolution } from "../../src/native/cpu/addon.js";
import { addon } from "../../src/native/torch/addon.js";
import { Dropout } from "../../src/nn/layers/dropout.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import type { Module } from "../../src/nn/module.js";
import { moveTo } from "../../src/nn/move-to.js";
import { Generator } from "../../src/tensor/generator.js";
import { full, normalInPlace } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { near } from "../support/near.js";

addon.setThreads(1);

const open = (choice: Partial<EngineChoice>) =>
  FastEngine.open({ ...DEFAULT_ENGINE, ...choice }, { device: "cpu", precision: "fp32" });
const options = { skip: open({}) === undefined && "the fast engine cannot be had on this machine" };

const pointwise: Convolution = {
  images: [8, 64, 14, 14],
  outChannels: 64,
  groups: 1,
  kernel: [1, 1],
  stride: [1, 1],
  padding: [0, 0, 0, 0],
  bfloat16: false,
  training: true,
  first: false,
};
const strided: Convolution = { ...pointwise, kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] };
const winograds: Convolution = { ...strided, stride: [1, 1] };

describe("choosing", () => {
  /** oneDNN that wants channels-last for such a share of the passes of the convolutions with that window. */
  const wanting = (share: number, window: number, canAll = true) => ({
    shareInChannelsLast: ({ kernel }: Convolution) => (kernel[0] === window ? share : 0),
    timeConvolution: ({ kernel }: Convolution) => (canAll || kernel[0] === window ? 0 : null),
  });

  test("channels-last where oneDNN wants that for the greater part of the multiplications", () => {
    // 3x3 of stride 2: 9/4 as many multiplications as 1x1.
    const both = [pointwise, strided];
    assert.equal(layoutFor(wanting(1, 3), both, true), "channels-last");
    assert.equal(layoutFor(wanting(1, 1), both, true), "blocks");
    assert.equal(layoutFor(wanting(2 / 3, 3), both, true), "blocks");
    assert.equal(layoutFor(wanting(1, 1), [pointwise, pointwise, pointwise, strided], true), "channels-last");
    assert.equal(layoutFor(wanting(1, 3), [], true), "blocks");
    assert.equal(layoutFor(wanting(1, 3, false), both, true), "blocks", "one that cannot be computed so");
  });

  test("blocks where Winograd's algorithm may compute a convolution: it is for those only", () => {
    assert.equal(layoutFor(wanting(1, 3), [winograds], true), "blocks");
    assert.equal(layoutFor(wanting(1, 3), [winograds], false), "channels-last");
    assert.equal(layoutFor(wanting(1, 3), [{ ...winograds, bfloat16: true }], true), "channels-last");
  });

  test("in training oneDNN 2 without AMX wants blocks", options, () => {
    const { addon: fast } = open({}) as FastEngine;
    const { library, instructionSet } = fast.processor();
    if (!library.startsWith("2.") || instructionSet.includes("amx")) return;
    for (const convolution of [pointwise, strided, winograds]) assert.equal(fast.shareInChannelsLast(convolution), 0);
  });

  test("oneDNN is really asked: with AVX-512 its evaluation of a 1x1 convolution wants channels-last", options, (t) => {
    const { addon: fast } = open({}) as FastEngine;
    if (!fast.processor().instructionSet.startsWith("avx512")) return t.skip("without AVX-512");
    assert.equal(fast.shareInChannelsLast({ ...pointwise, training: false }), 1);
  });
});

test(
  "a network keeps the layout that it had in the run, whether Winograd's algorithm may be chosen now or not",
  options,
  () => {
    const evaluated = { ...winograds, training: false };
    for (const layout of ["blocks", "channels-last"] as const) {
      const choices = new ConvolutionChoices();
      (open({ layout, choices, winograd: false }) as FastEngine).plan([pointwise, evaluated]);
      const again = open({ choices: new ConvolutionChoices(choices.toKeep()) }) as FastEngine;
      const { channelsLast, algorithms } = again.plan([pointwise, evaluated]);
      assert.deepEqual([channelsLast, algorithms[1]], [layout === "channels-last", [0, 0, 0]]);
    }
  },
);

test("channels-last there is no Winograd", options, () => {
  for (const layout of ["blocks", "channels-last"] as const) {
    const { channelsLast, algorithms } = (open({ layout }) as FastEngine).plan([pointwise]);
    assert.deepEqual([channelsLast, algorithms], [layout === "channels-last", [[0, 0, 0]]]);
  }
  assert.deepEqual((open({ layout: "channels-last" }) as FastEngine).plan([winograds]).algorithms, [[0, 0, 0]]);
});

describe("Inception-V3 computes the same in both layouts", options, () => {
  const images = (side: number) => {
    using generator = new Generator(1);
    return normalInPlace(full([2, 3, side, side], 0), 0, 1, generator);
  };
  const make = () => {
    const model = createModel("inception_v3", { classes: 5, inChannels: 3 });
    xavierUniform(model, 1);
    for (const [, module] of model.modules()) if (module instanceof Dropout) module.seed = 1;
    moveTo(model, "cpu");
    return model;
  };
  /** @param tolerance in training a batch norm over a few pixels makes a lot of a rounding */
  const inBoth = (tolerance: number, compute: (by: FastEngine, model: Module) => number[]) =>
    scope(() => {
      using model = make();
      const [blocks, last] = (["blocks", "channels-last"] as const).map((layout) =>
        compute(open({ layout, winograd: false }) as FastEngine, model),
      );
      near(last ?? [], blocks ?? [], tolerance);
    });

  test("evaluation", () => {
    inBoth(1e-4, (by, model) => {
      const network = new CompiledInference(by, model.eval(), [3, 139, 139], false);
      const logits = network.logits(images(139)).toArray();
      network.dispose();
      return logits;
    });
  });

  test("the forward pass in training", () => {
    inBoth(1e-3, (by, model) => {
      const training = new CompiledTraining(by, model.train(), {
        shape: [2, 3, 139, 139],
        masters: new Map(),
        forward: (given) => [model.forward(given)],
      });
      const logits = (training.forward(images(139))[0] as Tensor).toArray();
      training.dispose();
      return logits;
    });
  });
});
