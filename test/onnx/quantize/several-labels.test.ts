/** How good an integer form is where pictures have several labels: by mAP, and by answers to each class. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { measured } from "../../../src/metrics/index.js";
import { labelSetOutcomes } from "../../../src/metrics/several/label-set-outcomes.js";
import { answersIn } from "../../../src/onnx/quantize/quality.js";
import { labelSetsOf } from "../../support/label-sets.js";

test("the score is mAP, and answers agree that are on the same side of their class's threshold", () => {
  const shown = [
    [1, 0],
    [1, 1],
    [0, 0],
    [0, 1],
  ];
  const float = Float32Array.from([2, -1, 1, 2, -2, -3, 0.5, 1]);
  // Of the second picture the first class falls below its threshold, 0.5; of the fourth it rises, but was above before.
  const integers = Float32Array.from([2, -1, -0.1, 2, -2, -3, 0.9, 1]);
  const of = { ...labelSetsOf(shown), thresholds: [0.5, 0.6] };
  const pictures = {
    ...of,
    pixels: new Uint8Array(),
    count: 4,
    format: { height: 1, width: 1, channels: 1, mean: [], std: [] },
  } as const;
  const { score, agreement } = answersIn(pictures, integers, float);
  assert.equal(agreement, 1 - 1 / 8);
  assert.equal(score, measured(labelSetOutcomes(integers, { ...of, classes: 2 }))["average-precision"]);
  // Class 0 in order: picture 1 (shown), 4 (not), 2 (shown): (1 + 2/3) / 2. Class 1: all right.
  assert.ok(Math.abs(score - (5 / 6 + 1) / 2) < 1e-12);
});
