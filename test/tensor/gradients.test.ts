import assert from "node:assert/strict";
import { test } from "node:test";
import { ResNet } from "../../src/models/families/resnet.js";
import { addon } from "../../src/native/torch/addon.js";
import { Conv2d } from "../../src/nn/layers/conv2d.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import { backward, gradientOf, noGradient } from "../../src/tensor/autograd.js";
import { Generator } from "../../src/tensor/generator.js";
import {
  contiguous,
  full,
  mul,
  normalInPlace,
  requireGradient,
  setData,
  sumAll,
  toDType,
} from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

// That each operator's gradient is right is libtorch's business; that ours are strung together right, in-place ones and the
// shortcut's pooling included, is this test's.
test("the gradients through a ResNet-D block are those of central differences, in float64", () => {
  using model = new ResNet({ depth: 50, variant: "d", small: true, classes: 2, inChannels: 1, width: 2 });
  xavierUniform(model, 1);
  for (const [, tensor] of model.state()) {
    if (tensor.dtype === "float32") scope(() => setData(tensor, toDType(tensor, "float64")));
  }
  const block = model.layer2.layers[0];
  assert.ok(block);
  using generator = new Generator(4);
  const random = (...shape: number[]) => normalInPlace(full(shape, 0, "float64"), 0, 1, generator);
  using input = requireGradient(random(2, 8, 5, 5), true);
  using weighting = random(2, 16, 3, 3);
  const loss = () => sumAll(mul(block.forward(input), weighting));

  scope(() => backward(loss()));
  for (const [name, tensor] of [["input", input] as const, ...block.parameters()]) {
    const gradient = scope(() => gradientOf(tensor)?.toArray());
    assert.ok(gradient, name);
    const values = tensor.toArray();
    const nudge = 1e-6;
    const lossAt = (index: number, value: number) =>
      scope(() =>
        noGradient(() => {
          setData(tensor, Tensor.from(Float64Array.from(values).with(index, value), tensor.shape));
          return loss().item();
        }),
      );
    // Every seventh element: they differ in channel, row and column.
    for (let index = 0; index < values.length; index += 7) {
      const value = values[index] ?? 0;
      const slope = (lossAt(index, value + nudge) - lossAt(index, value - nudge)) / (2 * nudge);
      const analytic = gradient[index] ?? Number.NaN;
      assert.ok(
        Math.abs(slope - analytic) < 1e-6 * Math.max(1, Math.abs(slope)),
        `${name}[${index}]: ${analytic} but ${slope}`,
      );
    }
    scope(() => setData(tensor, Tensor.from(Float64Array.from(values), tensor.shape)));
  }
});

test("a strided 1x1 convolution of few channels has the right gradient in channels-last memory", () => {
  const [batch, channels, side, stride] = [4, 8, 64, 2];
  using layer = new Conv2d(channels, 2 * channels, 1, { stride });
  using generator = new Generator(5);
  scope(() => {
    const images = contiguous(normalInPlace(full([batch, channels, side, side], 0), 0, 1, generator), "channels_last");
    backward(sumAll(layer.forward(images)));
    // Every output channel sums what it sees of each input channel: the pixels in every second row and column.
    const seen = new Array<number>(channels).fill(0);
    images.toArray().forEach((value, i) => {
      const [x, y, channel] = [i % side, Math.floor(i / side) % side, Math.floor(i / side ** 2) % channels];
      if (x % stride === 0 && y % stride === 0) seen[channel] = (seen[channel] ?? 0) + value;
    });
    const gradient = gradientOf(layer.weight)?.toArray() ?? [];
    assert.equal(gradient.length, 2 * channels * channels);
    for (const [i, value] of gradient.entries()) {
      assert.ok(Math.abs(value - (seen[i % channels] ?? Number.NaN)) < 1e-2, `${i}: ${value}`);
    }
  });
});
