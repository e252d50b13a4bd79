// Losses and gradients of a few training steps of the plain engine, to compare machines: node scripts/fresh-machine/steps.mjs > steps.json there,
// and here node scripts/fresh-machine/steps.mjs steps.json, which fails where they differ by more than 1e-5 of a parameter's largest gradient.
import { readFileSync } from "node:fs";
import { createModel } from "../../dist/src/models/registry.js";
import { xavierUniform } from "../../dist/src/nn/initialise.js";
import { sgd } from "../../dist/src/optim/optimizers/sgd.js";
import { backward, gradientOf } from "../../dist/src/tensor/autograd.js";
import { crossEntropy } from "../../dist/src/tensor/ops.js";
import { scope } from "../../dist/src/tensor/scope.js";
import { Tensor } from "../../dist/src/tensor/tensor.js";

const STEPS = 3;
const BATCH = 8;
const SIDE = 32;
const CLASSES = 10;

/** Pictures of noise, the same on every machine. */
function noise() {
  let state = 1;
  const floats = new Float32Array(BATCH * 3 * SIDE * SIDE);
  for (let index = 0; index < floats.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    floats[index] = state / 2 ** 31 - 1;
  }
  return Tensor.from(floats, [BATCH, 3, SIDE, SIDE]);
}

function train() {
  const model = createModel("resnet20", { classes: CLASSES, inChannels: 3 }, { width: 4 }).train();
  xavierUniform(model, 0);
  const parameters = new Map(model.parameters());
  const optimizer = sgd.create([{ parameters, weightDecay: 1e-4, lrFactor: 1 }], sgd.defaults, new Map());
  const images = noise();
  const labels = Tensor.from(BigInt64Array.from({ length: BATCH }, (_, index) => BigInt(index % CLASSES)));
  return Array.from({ length: STEPS }, () => {
    const step = scope(() => {
      const loss = crossEntropy(model.forward(images), labels);
      backward(loss);
      const gradients = [...parameters].map(([name, tensor]) => [name, [...(gradientOf(tensor)?.toArray() ?? [])]]);
      return { loss: loss.item(), gradients: Object.fromEntries(gradients) };
    });
    optimizer.step(0.01, 1);
    return step;
  });
}

const here = train();
const [file] = process.argv.slice(2);
if (file === undefined) {
  process.stdout.write(`${JSON.stringify(here)}\n`);
} else {
  const there = JSON.parse(readFileSync(file, "utf8"));
  const largest = (/** @type {number[]} */ values) => Math.max(...values.map(Math.abs));
  const losses = here.map(({ loss }, step) => Math.abs(loss - there[step].loss) / loss);
  const gradients = here.flatMap((step, number) =>
    Object.entries(step.gradients).map(([name, values]) => {
      const others = there[number].gradients[name];
      return largest(values.map((value, index) => value - others[index])) / largest(values);
    }),
  );
  const [ofLosses, ofGradients] = [largest(losses), largest(gradients)];
  console.log(
    `steps: losses within ${ofLosses.toExponential(1)}, gradients within ${ofGradients.toExponential(1)} of this machine's`,
  );
  process.exitCode = ofLosses < 1e-5 && ofGradients < 1e-5 ? 0 : 1;
}
