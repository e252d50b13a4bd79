/** Numbers as 8-bit integers, against values worked out by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gridOf, integerBias, integerWeights, roundHalfEven } from "../../../src/onnx/quantize/integers.js";

test("a grid has 256 steps from the lowest to the highest number, and 0 is one of them", () => {
  assert.deepEqual(gridOf({ low: 0, high: 6 }), { scale: Math.fround(6 / 255), zeroPoint: 0 });
  // 1 / (4 / 255) = 63.75
  assert.deepEqual(gridOf({ low: -1, high: 3 }), { scale: Math.fround(4 / 255), zeroPoint: 64 });
  assert.deepEqual(gridOf({ low: -5, high: 0 }), { scale: Math.fround(5 / 255), zeroPoint: 255 });
  // 0 lies outside of what was seen, but padding is 0.
  assert.deepEqual(gridOf({ low: 2, high: 5.1 }), { scale: Math.fround(0.02), zeroPoint: 0 });
  assert.deepEqual(gridOf({ low: -5.1, high: -2 }), { scale: Math.fround(0.02), zeroPoint: 255 });
});

test("a tensor that is always 0, or nearly, has a grid whose numbers are finite", () => {
  assert.deepEqual(gridOf({ low: 0, high: 0 }), { scale: 1, zeroPoint: 0 });
  const { scale } = gridOf({ low: 0, high: 1e-42 });
  assert.ok(scale > 0 && Number.isFinite(1 / scale) && Math.fround(scale * scale) > 0);
});

test("halves are rounded to the even neighbour, as ONNX says", () => {
  const values = [0.5, 1.5, 2.5, -0.5, -1.5, 0.49, 0.51, -2.51, 3];
  assert.deepEqual(
    values.map((value) => roundHalfEven(value) + 0),
    [0, 2, 2, 0, -2, 0, 1, -3, 3],
  );
});

test("each output channel's weights have a scale of their own, the largest magnitude becomes 127", () => {
  const weights = Float32Array.of(1, -2.54, 0.25, 0.5, 0, 0);
  const { values, scales } = integerWeights(weights, 3, 127, undefined, 1);
  assert.deepEqual([...values], [50, -127, 64, 127, 0, 0]); // 0.25 / (0.5 / 127) = 63.5
  assert.deepEqual([...scales.subarray(0, 2)], [Math.fround(2.54 / 127), Math.fround(0.5 / 127)]);
  assert.ok((scales[2] as number) > 0);
});

test("of weights of 7 bits two products with the largest activations fit into 16 bits; of 8 bits they do not", () => {
  const weights = Float32Array.of(3, 3, -3, -3);
  const pair = (largest: number) => {
    const { values } = integerWeights(weights, 2, largest, undefined, 1);
    return [255 * ((values[0] ?? 0) + (values[1] ?? 0)), 255 * ((values[2] ?? 0) + (values[3] ?? 0))];
  };
  assert.deepEqual(pair(64), [32_640, -32_640]);
  assert.deepEqual(pair(127), [64_770, -64_770]);
  const fits = (sums: number[]) => sums.every((sum) => sum >= -32_768 && sum <= 32_767);
  assert.ok(fits(pair(64)) && !fits(pair(127)));
});

test("a bias is in steps of input x weight", () => {
  const { values, scales } = integerBias(Float32Array.of(1, -0.3), Float32Array.of(0.5, 0.25), 0.125);
  assert.deepEqual([...scales], [0.0625, 0.03125]);
  assert.deepEqual([...values], [16, -10]); // -9.6
});

test("tiny weights beside a large bias, as of channels that died in training: the bias still fits, and is what it was", () => {
  const [weights, bias, input] = [Float32Array.of(1e-12, -1e-12, 0, 0), Float32Array.of(3, -7), 0.02] as const;
  const { values, scales } = integerWeights(weights, 2, 127, bias, input);
  const integers = integerBias(bias, scales, input);
  for (const [channel, value] of bias.entries()) {
    const again = (integers.values[channel] as number) * (integers.scales[channel] as number);
    assert.ok(Math.abs(again - value) < 1e-5 * Math.abs(value), `${again} is not ${value}`);
  }
  assert.deepEqual(
    [...values],
    [0, 0, 0, 0].map((zero) => zero),
  );
});
