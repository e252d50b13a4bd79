import assert from "node:assert/strict";
import { test } from "node:test";
import { type ModelProfile, profileModel } from "../../src/models/profile.js";
import type { ModelOptions } from "../../src/models/entry.js";
import { createModel, MODELS } from "../../src/models/registry.js";
import { addon } from "../../src/native/torch/addon.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { observingCalls } from "../../src/tensor/operator.js";
import { full } from "../../src/tensor/ops.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { inputError } from "../support/input-error.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

const near = (value: number, expected: number, off: number, what: string) =>
  assert.ok(Math.abs(value - expected) <= off, `${what}: ${value}, not ${expected}`);

test("the table of the paper's section 4: multiply-adds and parameters", () => {
  // ResNet-50 is 3.858 G, which He et al. and the paper call 3.8.
  for (const [name, giga] of [
    ["resnet50_v1", 3.8],
    ["resnet50", 4.1],
    ["resnet50c", 4.3],
    ["resnet50d", 4.3],
  ] as const) {
    const { macs, parameters, inputSize } = profileModel(name);
    near(macs / 1e9, giga, 0.06, `${name}, multiply-adds`);
    near(parameters / 1e6, 25.5, 0.1, `${name}, parameters`);
    assert.equal(inputSize, 224);
  }
});

test("published figures: torchvision's parameters, timm's multiply-adds and activations", () => {
  const published: [string, ModelOptions, Partial<Record<keyof ModelProfile, number>>][] = [
    ["resnet18", {}, { parameters: 11.69, macs: 1814, activations: 2.48 }],
    ["resnet50", {}, { parameters: 25.56, macs: 4089, activations: 11.11 }],
    ["mobilenetv1_100", {}, { parameters: 4.23, macs: 569, activations: 5.04 }],
    ["inception_v3", {}, { parameters: 23.83, macs: 5713, activations: 8.97 }],
    ["inception_v3", { aux_logits: true }, { parameters: 27.16, macs: 5713, activations: 8.97 }],
    ["resnet20", {}, { parameters: 0.27, macs: 40.55 }],
  ];
  for (const [name, options, figures] of published) {
    const profile = profileModel(name, {}, options);
    for (const [what, millions] of Object.entries(figures)) {
      near(
        Number(profile[what as keyof ModelProfile]) / 1e6,
        millions,
        what === "macs" ? 0.5 : 0.01,
        `${name}, ${what}`,
      );
    }
  }
});

/** The same counted from the operators of a real pass. */
function counted(name: string, inChannels: 1 | 3, options: ModelOptions): { macs: number; activations: number } {
  using model = createModel(name, { classes: 7, inChannels }, options).eval();
  const size = MODELS.get(name)?.inputSize ?? 0;
  const total = { macs: 0, activations: 0 };
  observingCalls(
    ({ operator, arguments: [, weight], result }) => {
      if (operator !== "aten::conv2d" && operator !== "aten::linear") return;
      assert.ok(weight instanceof Tensor && result instanceof Tensor);
      total.activations += result.size;
      total.macs += (result.size * weight.size) / (weight.shape[0] ?? 1);
    },
    () => scope(() => noGradient(() => model.forward(full([1, inChannels, size, size], 0))).shape),
  );
  return total;
}

test("the figures are those of a real pass", () => {
  const forms: [string, 1 | 3, ModelOptions][] = [
    ["resnet18d", 3, { width: 8 }],
    ["resnet50_v1", 1, { width: 8 }],
    ["resnet34c_small", 1, { width: 8 }],
    ["resnet32", 3, {}],
    ["mobilenetv1_025", 3, {}],
    ["mobilenetv1_025", 1, { pad_type: "same", act_layer: "relu6" }],
    ["inception_v3", 3, { aux_logits: true }],
  ];
  for (const [name, inChannels, options] of forms) {
    const { macs, activations } = profileModel(name, { classes: 7, inChannels }, options);
    assert.deepEqual({ macs, activations }, counted(name, inChannels, options), name);
  }
});

test("every model has a profile, and nothing is left in memory", () => {
  const before = liveTensors();
  for (const name of MODELS.keys()) {
    const { parameters, macs, activations, inputSize } = profileModel(name);
    for (const figure of [parameters, macs, activations, inputSize]) {
      assert.ok(Number.isSafeInteger(figure) && figure > 0, name);
    }
  }
  assert.equal(liveTensors(), before);
});

test("an unknown model is an error", () => {
  assert.throws(() => profileModel("resnet51"), inputError(/there is no model "resnet51"/));
});
