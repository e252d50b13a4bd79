/** What files of other programs say in other ways: taken where it means the same, left to ONNX Runtime where it does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNoFastEngine } from "../../../src/engine/engine.js";
import { UnsupportedLayer } from "../../../src/engine/lowering/network.js";
import { INPUT } from "../../../src/onnx/export.js";
import { FastOnnx } from "../../../src/onnx/fast/fast-onnx.js";
import { logitsOf } from "../../../src/onnx/quantize/onnx-session.js";
import type { ModelProto } from "../../../src/onnx/schema.js";
import { IntegerModel } from "../../support/integer-network.js";

const fault = whyNoFastEngine({ device: "cpu", precision: "fp32" });
const options = { skip: fault !== undefined && fault };

const FORMAT = { channels: 3, height: 4, width: 4, mean: [0.25, 0.5, 0.75], std: [0.5, 0.5, 0.5] } as const;
const IMAGES = { scale: 0.01, zeroPoint: 130 };
const FIRST = { scale: 0.02, zeroPoint: 40 };
const PIXELS = Uint8Array.from({ length: 2 * 48 }, (_, i) => (i * 89) % 256);
const PICTURES = { pixels: PIXELS, labels: new Int32Array(2), count: 2, format: FORMAT };

/** A 3x3 convolution to 6 channels, what `after` makes of its numbers, and the mean of each channel as logits. */
function network(
  attributes: Readonly<Record<string, number | readonly number[] | string>>,
  after: (made: IntegerModel, tensor: string) => string = (_, tensor) => tensor,
  scales = new Float32Array(6).fill(0.004),
): ModelProto {
  const made = new IntegerModel();
  const weights = Int8Array.from({ length: 6 * 27 }, (_, i) => ((i * 31) % 129) - 64);
  const convolved = made.node(
    "Conv",
    [made.rounded(INPUT, IMAGES), made.numbers(weights, [6, 3, 3, 3], scales)],
    attributes,
  );
  const changed = after(made, convolved);
  return made.end(made.node("GlobalAveragePool", [made.rounded(changed, FIRST)]), 6, FIRST);
}

const TAKEN: Record<string, ModelProto> = {
  "kernel_shape left out": network({}),
  "auto_pad that says nothing": network({ auto_pad: "NOTSET", pads: [1, 1, 1, 1] }),
  "one scale for all weights": network({ pads: [0, 1, 1, 0] }, undefined, Float32Array.of(0.004)),
  "an activation above zero and below the range": network({}, (made, tensor) =>
    made.node("Clip", [tensor, made.constant(Float32Array.of(0.3), []), made.constant(Float32Array.of(2), [])]),
  ),
  "an activation after the rounding": network({}, (made, tensor) => made.node("Relu", [made.rounded(tensor, FIRST)])),
  "rounded twice, to other steps": network({}, (made, tensor) => made.rounded(tensor, { scale: 0.05, zeroPoint: 77 })),
  "a sum of a tensor with itself": network({}, (made, tensor) => {
    const rounded = made.rounded(tensor, { scale: 0.01, zeroPoint: 90 });
    return made.node("Add", [rounded, rounded]);
  }),
  "a sum whose second term is read again": network({}, (made, tensor) => {
    const first = made.rounded(tensor, { scale: 0.01, zeroPoint: 90 });
    const weights = made.numbers(
      Int8Array.from({ length: 36 }, (_, i) => ((i * 47) % 129) - 64),
      [6, 6, 1, 1],
      Float32Array.of(0.01),
    );
    const second = made.rounded(made.node("Conv", [first, weights]), { scale: 0.01, zeroPoint: 100 });
    const sum = made.rounded(made.node("Add", [first, second]), { scale: 0.02, zeroPoint: 100 });
    return made.node("Add", [sum, second]);
  }),
  "a mean beside numbers": network({ pads: [1, 1, 1, 1] }, (made, tensor) =>
    made.node("AveragePool", [made.rounded(tensor, FIRST)], {
      kernel_shape: [3, 2],
      strides: [1, 2],
      pads: [1, 0, 1, 1],
      count_include_pad: 1,
    }),
  ),
};

for (const [name, model] of Object.entries(TAKEN)) {
  test(`${name}: as in ONNX Runtime, to a step`, options, async () => {
    using fast = FastOnnx.open(model, FORMAT);
    const [logits, expected] = [fast.logits(PIXELS), await logitsOf(model, PICTURES)];
    assert.ok(new Set(expected).size > 4, `${expected}`);
    for (const [i, logit] of logits.entries()) {
      const wanted = expected[i] as number;
      assert.ok(Math.abs(logit - wanted) <= 1.01 * FIRST.scale, `logit ${i}: ${logit}, not ${wanted}`);
    }
  });
}

const LEFT: Record<string, [ModelProto, RegExp]> = {
  "paddings that are not said in numbers": [network({ auto_pad: "SAME_UPPER" }), /^Conv over such windows$/],
  "gaps in windows": [network({ dilations: [2, 2], pads: [2, 2, 2, 2] }), /^Conv over such windows$/],
  "an attribute that nobody knows": [network({ sparsity: 1 }), /^Conv with sparsity$/],
  "an operator that the engine lacks": [
    network({}, (made, tensor) => made.node("Sigmoid", [tensor])),
    /^the operator Sigmoid$/,
  ],
  "steps for each channel of an activation": [
    network({}, (made, tensor) => {
      const constants = [
        made.constant(Float32Array.of(0.1, 0.1, 0.1, 0.1, 0.1, 0.2), [6]),
        made.constant(new Uint8Array(6), [6]),
      ];
      return made.node(
        "DequantizeLinear",
        [made.node("QuantizeLinear", [tensor, ...constants], { axis: 1 }), ...constants],
        { axis: 1 },
      );
    }),
    /^QuantizeLinear of activations that are not uint8 with one scale$/,
  ],
};

for (const [name, [model, message]] of Object.entries(LEFT)) {
  test(`${name}: ONNX Runtime's`, options, () => {
    assert.throws(
      () => FastOnnx.open(model, FORMAT),
      (error) => error instanceof UnsupportedLayer && message.test(error.message),
    );
  });
}
