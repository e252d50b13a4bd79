/** Trains a tiny network for 500 steps and prints, as JSON, resident memory and live tensors at steps 100 and 500. */
import { addon } from "../../src/native/torch/addon.js";
import { BatchNorm2d } from "../../src/nn/layers/batch-norm2d.js";
import { Conv2d } from "../../src/nn/layers/conv2d.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import { Linear } from "../../src/nn/layers/linear.js";
import { GlobalAvgPool2d, MaxPool2d } from "../../src/nn/layers/pooling.js";
import { ReLU } from "../../src/nn/layers/relu.js";
import { Sequential } from "../../src/nn/layers/sequential.js";
import { backward, clearGradient, gradientOf, noGradient } from "../../src/tensor/autograd.js";
import { addEachInPlace, crossEntropy } from "../../src/tensor/ops.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";

addon.setThreads(1);
const model = new Sequential(
  new Conv2d(3, 8, 3, { padding: 1 }),
  new BatchNorm2d(8),
  new ReLU(),
  new MaxPool2d(2, 2, 0),
  new Conv2d(8, 16, 3, { padding: 1 }),
  new BatchNorm2d(16),
  new ReLU(),
  new GlobalAvgPool2d(),
  new Linear(16, 10),
);
xavierUniform(model, 1);
const parameters = Array.from(model.parameters(), ([, parameter]) => parameter);

function step(index: number): number {
  return scope(() => {
    const images = Tensor.from(
      Float32Array.from({ length: 16 * 3 * 16 * 16 }, (_, i) => Math.sin(i + index)),
      [16, 3, 16, 16],
    );
    const labels = Tensor.from(BigInt64Array.from({ length: 16 }, (_, i) => BigInt(i % 10)));
    const loss = crossEntropy(model.forward(images), labels);
    backward(loss);
    const gradients = parameters.map((parameter) => gradientOf(parameter) as Tensor);
    noGradient(() => addEachInPlace(parameters, gradients, -0.05));
    parameters.forEach(clearGradient);
    return loss.item();
  });
}

const at: Record<number, { rss: number; live: number; loss: number }> = {};
for (let index = 1; index <= 500; index++) {
  const loss = step(index);
  if (index === 100 || index === 500) at[index] = { rss: process.memoryUsage().rss, live: liveTensors(), loss };
}
console.log(JSON.stringify(at));
