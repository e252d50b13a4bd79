/** A first convolution for other channels is what timm makes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createModel } from "../../src/models/registry.js";
import { forChannels } from "../../src/settings/channels.js";
import { fromRawTensor, stateDict } from "../../src/nn/state-dict.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import { scope } from "../../src/tensor/scope.js";
import { adaptChannels, canAdapt, stemOf } from "../../src/weights/adapt-channels.js";

const PIXELS = 7 * 7;
const OUTPUTS = 4;

/** resnet18 of 4 channels in its first stage, for images of so many channels. */
const modelFor = (inChannels: number) => createModel("resnet18", { classes: 2, inChannels }, { width: OUTPUTS });

/** timm 1.0.31's adapt_input_conv of the weights 0, 1, 4, 9, 16, ... / 8 of [2, 3, 2, 1]: test/python/adapt_channels.py prints them. */
const TIMM: Readonly<Record<number, readonly number[]>> = {
  1: [2.5, 4.375, 25, 31.375],
  2: [0, 0.1875, 0.75, 1.6875, 6.75, 9.1875, 12, 15.1875],
  4: [
    0, 0.09375, 0.375, 0.84375, 1.5, 2.34375, 0, 0.09375, 3.375, 4.59375, 6, 7.59375, 9.375, 11.34375, 3.375, 4.59375,
  ],
};

function adapted(from: number, to: number, values: (index: number) => number) {
  using model = modelFor(to);
  const stem = stemOf(model) as string;
  const data = Float32Array.from({ length: OUTPUTS * from * PIXELS }, (_, i) => values(i));
  const raw: RawTensor = {
    dtype: "float32",
    shape: [OUTPUTS, from, 7, 7],
    data: new Uint8Array(data.buffer),
  };
  const weights = new Map([...stateDict(model), [stem, raw]]);
  const note = adaptChannels(model, weights);
  const result = weights.get(stem) as RawTensor;
  return { note, shape: result.shape, values: scope(() => fromRawTensor(result).toArray()) };
}

test("of colours, as timm's: summed for grey, else in turn and scaled", () => {
  for (const [channels, expected] of Object.entries(TIMM)) {
    const to = Number(channels);
    // timm's weights in the first two outputs and the first two of a kernel's pixels; the rest is 0.
    const { shape, values, note } = adapted(3, to, (index) => {
      const [output, channel, pixel] = [Math.floor(index / PIXELS / 3), Math.floor(index / PIXELS) % 3, index % PIXELS];
      return output < 2 && pixel < 2 ? (output * 6 + channel * 2 + pixel) ** 2 / 8 : 0;
    });
    assert.deepEqual(shape, [OUTPUTS, to, 7, 7]);
    const seen = values.filter((_, index) => index % PIXELS < 2 && index < 2 * to * PIXELS);
    assert.deepEqual(seen, expected);
    assert.match(note ?? "", new RegExp(`^conv1.weight made for ${to} of 3 channels`));
  }
});

test("of grey, so that a grey picture as colours gives the same sums", () => {
  const { values } = adapted(1, 3, (index) => index);
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const all = [0, 1, 2].map((channel) => values[channel * PIXELS + pixel] as number);
    assert.ok(Math.abs(all.reduce((a, b) => a + b) - pixel) < 1e-5);
    assert.ok(all.every((value) => value === all[0]));
  }
});

test("which nobody can say is left to who reports it, and what fits stays", () => {
  assert.equal(adapted(4, 3, () => 1).note, undefined);
  assert.deepEqual(adapted(4, 3, () => 1).shape, [OUTPUTS, 4, 7, 7]);
  assert.equal(adapted(3, 3, () => 1).note, undefined);
  assert.deepEqual(
    [canAdapt(4, 3), canAdapt(5, 4), canAdapt(5, 1), canAdapt(3, 5), canAdapt(1, 4)],
    [...[false, false, true, true, true]],
  );
});

test("the normalisation goes with it", () => {
  assert.deepEqual(forChannels([0.25, 0.5, 0.75], 1), [0.5]);
  assert.deepEqual(forChannels([0.25, 0.5, 0.75], 5), [0.25, 0.5, 0.75, 0.25, 0.5]);
  assert.deepEqual(forChannels([0.5], 3), [0.5, 0.5, 0.5]);
});
