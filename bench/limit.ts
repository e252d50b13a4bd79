/** `limit.js MODEL SIZE BATCH training|inference fp32|bf16`: the limit's seconds a step, as JSON; started by bench/index.ts. */
import { FastEngine } from "../src/engine/engine.js";
import { CompiledTraining } from "../src/engine/training.js";
import { isBatchNorm } from "../src/engine/lowering/batch-norm.js";
import { isConvolution } from "../src/engine/lowering/convolution.js";
import { createModel } from "../src/models/registry.js";
import type { Algorithms, NetworkDescription, OperationDescription, Quad } from "../src/native/cpu/addon.js";
import { lowerPrecision } from "../src/nn/precision.js";
import type { StepCase } from "./steps.js";

const REPEATS = 5;
/** What takes less than a millisecond is repeated more often: a thread that woke up on the other's core stays there for longer than five repeats. */
const SHORT = 1e-3;
const REPEATS_OF_SHORT = 100;

/** How a convolution may be computed: directly in either layout, or by Winograd's algorithm in blocks. */
const WAYS = [
  { algorithm: 0, channelsLast: false },
  { algorithm: 1, channelsLast: false },
  { algorithm: 0, channelsLast: true },
] as const;

/** Seconds, the fastest of so many repeats. */
type Timed = (repeats: number) => number;

/**
 * Seconds of a training step in which every convolution takes as long as oneDNN's fastest algorithm for it takes alone, and every batch norm
 * (with ReLU) and addition as long as oneDNN's own, on this machine now; of inference, where both are done by the convolutions, of these alone.
 * Nothing else takes time: pooling, the linear layer, the loss, the optimizer.
 */
function limitOf({ bench, model, imageSize, batch }: StepCase, precision: "fp32" | "bf16"): number {
  const engine = FastEngine.open({ engine: "fast", winograd: true }, { device: "cpu", precision });
  if (!engine) throw new Error("the limit needs the fast engine");
  using network = createModel(model, { classes: 1000, inChannels: 3 });
  const masters = lowerPrecision(network.train(), precision, "cpu");
  const shape = [batch, 3, imageSize, imageSize] as const;
  const compiled = new CompiledTraining(engine, network, {
    shape,
    masters,
    forward: (images) => [network.forward(images)],
  });
  const { description } = compiled;
  compiled.dispose();
  const known = new Map<string, number>();
  const once = (key: unknown, time: Timed): number => {
    const text = JSON.stringify(key);
    const measure = () => {
      const seconds = time(REPEATS);
      return seconds < SHORT ? Math.min(seconds, time(REPEATS_OF_SHORT)) : seconds;
    };
    const seconds = known.get(text) ?? measure();
    known.set(text, seconds);
    return seconds;
  };
  return description.operations
    .map((operation) => secondsOf(operation, bench, description, engine, once))
    .reduce((sum, seconds) => sum + seconds, 0);
}

function secondsOf(
  operation: OperationDescription,
  bench: StepCase["bench"],
  { values, bfloat16, channelsLast }: NetworkDescription,
  { addon, block }: FastEngine,
  once: (key: unknown, time: Timed) => number,
): number {
  const shapeOf = (value: number) => {
    const [n = 1, channels = 1, height = 1, width = 1] = values[value]?.shape ?? [];
    const wholeBlocks = values[value]?.kind === "input" ? channels : Math.ceil(channels / block) * block;
    return [n, wholeBlocks, height, width] as const satisfies Quad;
  };
  if (isConvolution(operation)) {
    const { kernel, stride, padding, input, output } = operation;
    const images = shapeOf(input);
    const [, outChannels] = shapeOf(output);
    const groups = operation.groups === 1 ? 1 : images[1];
    const first = values[input]?.kind === "input";
    const training = bench === "training";
    const given = { images, outChannels, kernel, stride, padding, groups, bfloat16, training, first };
    // Nobody wants the gradient of the images.
    const backward = first ? ([2] as const) : ([1, 2] as const);
    const passes = training ? ([0, ...backward] as const) : ([0] as const);
    const fastest = (pass: 0 | 1 | 2, repeats: number) =>
      Math.min(
        ...WAYS.map(({ algorithm, channelsLast }) => {
          const algorithms = [0, 0, 0].with(pass, algorithm) as unknown as Algorithms;
          return (
            addon.timeConvolution({ ...given, channelsLast, algorithms, pass, repeats }) ?? Number.POSITIVE_INFINITY
          );
        }),
      );
    return passes.reduce<number>((sum, pass) => sum + once([given, pass], (repeats) => fastest(pass, repeats)), 0);
  }
  if (!isBatchNorm(operation) || bench === "inference") return 0;
  const shape = shapeOf(operation.input);
  const given = { shape, bfloat16, channelsLast };
  const norm = once(["norm", given], (repeats) => addon.timeBatchNorm({ ...given, repeats }));
  // A residual is added forward, and its gradient backward.
  const addition =
    operation.residual === undefined
      ? 0
      : 2 * once(["add", given], (repeats) => addon.timeAddition({ ...given, repeats }));
  return (operation.residualNorm ? 2 : 1) * norm + addition;
}

const [model = "", size, batch, bench, precision] = process.argv.slice(2);
const given = { bench: bench as StepCase["bench"], model, imageSize: Number(size), batch: Number(batch) };
console.log(JSON.stringify({ seconds: limitOf(given, precision === "bf16" ? "bf16" : "fp32") }));
