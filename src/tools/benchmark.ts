import type { EngineChoice } from "../engine/engine-name.js";
import { evaluationOf } from "../engine/evaluation.js";
import type { ModelOptions } from "../models/entry.js";
import { createModel } from "../models/registry.js";
import type { OperationTime } from "../native/cpu/addon.js";
import { Dropout } from "../nn/layers/dropout.js";
import { xavierUniform } from "../nn/initialise.js";
import { moveTo } from "../nn/move-to.js";
import { Generator } from "../tensor/generator.js";
import { contiguous, crossEntropy, full, normalInPlace, toDevice } from "../tensor/ops.js";
import { requireDevice } from "../tensor/require-device.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { lowerPrecision, type Precision } from "../nn/precision.js";
import { sgd } from "../optim/optimizers/sgd.js";
import { TrainingPasses } from "../training/training-passes.js";

export interface BenchmarkOptions extends Pick<EngineChoice, "engine" | "winograd" | "layout"> {
  readonly model: string;
  readonly modelOptions: ModelOptions;
  /** [height, width] in pixels. */
  readonly imageSize: readonly [number, number];
  readonly batchSize: number;
  readonly precision: Precision;
  readonly device: string;
  /** How many steps (or passes) are measured, after one that is not. */
  readonly steps: number;
}

export interface Benchmark {
  readonly engine: "fast" | "plain";
  readonly precision: Precision;
  /** Seconds of each measured step. */
  readonly seconds: readonly number[];
  /** Seconds of the first step, with everything that is compiled or measured for it. */
  readonly firstSeconds: number;
  /** Where the time of a step goes: seconds a step by kind of operation; empty for the plain engine. */
  readonly operations: readonly OperationTime[];
}

const CLASSES = 1000;

/**
 * Measures complete training steps (forward, loss, backward, SGD with momentum) of a model on noise, 1,000 classes, without loading.
 *
 * @throws InputError where there is no such model or device, or the engine was asked for and cannot compute it
 */
export function benchmarkTraining(options: BenchmarkOptions): Benchmark {
  const { batchSize, device, precision } = options;
  return withModel(options, (model) => {
    const masters = lowerPrecision(model, precision, device);
    const parameters = new Map(model.parameters());
    const optimizer = sgd.create([{ parameters, weightDecay: 1e-4, lrFactor: 1 }], sgd.defaults, masters);
    const passes = passesOf(model, options, masters);
    try {
      const images = noise(options).keep();
      const labels = Array.from({ length: batchSize }, (_, index) => BigInt(index % CLASSES));
      const targets = toDevice(Tensor.from(BigInt64Array.from(labels)), device).keep();
      const step = () => {
        scope(() => {
          const [logits] = passes.forward(images);
          const loss = crossEntropy(logits, targets);
          passes.backward(loss, false);
          loss.item();
        });
        optimizer.step(1e-4, 1);
      };
      return { precision, ...measure(step, options.steps, passes) };
    } finally {
      passes.dispose();
      optimizer.dispose();
      for (const master of masters.values()) master.dispose();
    }
  });
}

/** Measures evaluations of a model on noise, 1,000 classes. @throws as `benchmarkTraining` */
export function benchmarkInference(options: BenchmarkOptions): Benchmark {
  return withModel(options, (model) => {
    const passes = passesOf(model, options, new Map());
    const { imageSize, precision, device, winograd } = options;
    try {
      const images = noise(options).keep();
      model.eval();
      const plain = { precision, device, engine: { engine: "plain", winograd } } as const;
      let logits: ((images: Tensor) => Tensor) | undefined;
      const pass = () =>
        scope(() => {
          logits ??= passes.evaluation(precision === "bf16") ?? evaluationOf(model, [3, ...imageSize], plain).logits;
          logits(images).toArray();
        });
      return { precision, ...measure(pass, options.steps, passes) };
    } finally {
      passes.dispose();
    }
  });
}

function withModel<T>(options: BenchmarkOptions, body: (model: ReturnType<typeof createModel>) => T): T {
  requireDevice(options.device);
  const model = createModel(options.model, { classes: CLASSES, inChannels: 3 }, options.modelOptions);
  try {
    xavierUniform(model, 0);
    moveTo(model, options.device);
    for (const [, module] of model.modules()) if (module instanceof Dropout) module.seed = 0;
    return scope(() => body(model.train()));
  } finally {
    model.dispose();
  }
}

function passesOf(
  model: ReturnType<typeof createModel>,
  { imageSize, batchSize, precision, device, engine, winograd, layout }: BenchmarkOptions,
  masters: ReturnType<typeof lowerPrecision>,
): TrainingPasses {
  const shape = [batchSize, 3, ...imageSize] as const;
  return new TrainingPasses(model, { shape, precision, masters, device, engine: { engine, winograd, layout } });
}

/** [N, 3, height, width], normal. */
function noise({ batchSize, imageSize, device }: BenchmarkOptions): Tensor {
  return scope(() => {
    using generator = new Generator(0);
    const images = normalInPlace(full([batchSize, 3, ...imageSize], 0), 0, 1, generator);
    return toDevice(contiguous(images, "channels_last"), device);
  });
}

function measure(step: () => void, steps: number, passes: TrainingPasses): Omit<Benchmark, "precision"> {
  const timed = () => {
    const start = performance.now();
    step();
    return (performance.now() - start) / 1000;
  };
  const firstSeconds = timed();
  passes.startTiming();
  const seconds = Array.from({ length: steps }, timed);
  const operations = passes.times().map(({ kind, forwardSeconds, backwardSeconds }) => ({
    kind,
    forwardSeconds: forwardSeconds / steps,
    backwardSeconds: backwardSeconds / steps,
  }));
  return { engine: operations.length > 0 ? "fast" : "plain", seconds, firstSeconds, operations };
}
