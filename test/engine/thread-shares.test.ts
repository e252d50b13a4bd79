/** Of a convolution's weights each thread computes the gradient over images of its own: together they are what one thread computes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENGINE } from "../../src/engine/engine-name.js";
import { FastEngine } from "../../src/engine/engine.js";
import { createModel } from "../../src/models/registry.js";
import { addon } from "../../src/native/torch/addon.js";
import { Generator } from "../../src/tensor/generator.js";
import { full, normalInPlace } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { fastPass, fill, near, type Passed, pass } from "../support/engine-passes.js";

const open = (layout: "blocks" | "channels-last") =>
  FastEngine.open({ ...DEFAULT_ENGINE, winograd: false, layout }, { device: "cpu", precision: "fp32" });
const options = { skip: open("blocks") === undefined && "the fast engine cannot be had on this machine" };

for (const layout of ["blocks", "channels-last"] as const) {
  for (const [batch, threads] of [
    [1, 2],
    [2, 2],
    [5, 2],
    [7, 3],
    [4, 4],
    [6, 5],
  ] as const) {
    test(`${batch} images, ${threads} threads, ${layout}: gradients and logits are libtorch's`, options, () => {
      scope(() => {
        using model = createModel("resnet18_small", { classes: 5, inChannels: 3 }, { width: 16 });
        fill(model, 1);
        model.train();
        using generator = new Generator(batch);
        const images = normalInPlace(full([batch, 3, 16, 16], 0), 0, 1, generator);
        const passed: Passed[] = [];
        try {
          addon.setThreads(1);
          passed.push(pass(model, () => model.forward(images)));
          addon.setThreads(threads);
          for (let again = 0; again < 2; again++)
            passed.push(fastPass(model, images, open(layout) as FastEngine, new Map()));
        } finally {
          addon.setThreads(1);
        }
        const [plain, fast, repeated] = passed as [Passed, Passed, Passed];
        near(fast.logits, plain.logits, 1e-4, "the logits");
        for (const [name, values] of plain.gradients) near(fast.gradients.get(name) ?? [], values, 1e-3, name);
        assert.deepEqual(fast, repeated);
      });
    });
  }
}
