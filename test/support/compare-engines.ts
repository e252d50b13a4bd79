/** A random network computed by both engines: evaluation, and one step's logits, gradients and running statistics. */
import { ConvolutionChoices } from "../../src/engine/convolution-choices.js";
import type { ImageLayout } from "../../src/engine/engine-name.js";
import { FastEngine } from "../../src/engine/engine.js";
import { CompiledInference } from "../../src/engine/inference.js";
import { UnsupportedLayer } from "../../src/engine/lowering/network.js";
import type { Algorithms } from "../../src/native/cpu/addon.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { Generator } from "../../src/tensor/generator.js";
import { full, normalInPlace } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { seedFor } from "../../src/tensor/random.js";
import { fastPass, fill, inFloat64, length, type Passed, pass } from "./engine-passes.js";
import { type RandomNetwork, randomNetwork } from "./random-network.js";

/** Winograd's algorithm wherever it can be had, so that it is compared too. */
class WinogradFirst extends ConvolutionChoices {
  override of(): Algorithms {
    return [1, 1, 1];
  }
}

/** What both engines must agree in; Winograd's rounding is coarser. */
const TOLERANCE = { direct: 1e-4, winograd: 2e-3 };
/**
 * A gate of ReLU that stands at zero, or a window with two greatest values, goes either way in every order of rounding, and moves a gradient by a
 * jump; an engine that computes something else does so with other weights and images too.
 */
const DRAWS = 4;

export interface Comparison {
  readonly text: string;
  /** What the engines do not agree in, by engine's settings; empty where they do. */
  readonly differences: readonly string[];
  /** The layer that is left to the plain engine. */
  readonly lacks: string | undefined;
}

/** @param layouts those of the fast engine */
export function compareEngines(seed: number, layouts: readonly ImageLayout[]): Comparison {
  const network = randomNetwork(seed);
  using _model = network.model;
  let lacks: string | undefined;
  const differences = layouts.flatMap((layout) => {
    const winograd = layout === "blocks" && seed % 2 === 1;
    const engine = FastEngine.open(
      { engine: "fast", winograd, layout, choices: new WinogradFirst() },
      { device: "cpu", precision: "fp32" },
    );
    if (!engine) return ["there is no fast engine"];
    let found: string[] = [];
    for (let draw = 0; draw < DRAWS; draw++) {
      try {
        found = scope(() =>
          differencesIn(network, engine, seedFor(seed, "draw", draw), winograd ? "winograd" : "direct"),
        );
      } catch (error) {
        if (!(error instanceof UnsupportedLayer)) throw new Error(`seed ${seed}: ${network.text}`, { cause: error });
        lacks = error.message;
        return [];
      }
      if (found.length === 0) return [];
    }
    return found.map((difference) => `${layout}${winograd ? ", Winograd" : ""}: ${difference}`);
  });
  return { text: network.text, differences, lacks };
}

function differencesIn(
  { model, shape }: RandomNetwork,
  engine: FastEngine,
  draw: number,
  by: keyof typeof TOLERANCE,
): string[] {
  fill(model, draw);
  using generator = new Generator(draw);
  const images = normalInPlace(full([...shape], 0), 0, 1, generator);
  const compared = new Comparer(TOLERANCE[by]);
  model.eval();
  const [, channels, height, width] = shape;
  const inference = new CompiledInference(engine, model, [channels, height, width], false);
  try {
    const plain = noGradient(() => model.forward(images)).toArray();
    compared.near("evaluation", inference.logits(images).toArray(), plain);
  } finally {
    inference.dispose();
  }
  model.train();
  const plain = pass(model, () => model.forward(images));
  const fast = fastPass(model, images as Tensor, engine, new Map());
  compared.near("logits in training", fast.logits, plain.logits);
  const exact = () => inFloat64(model, images).gradients;
  compared.all("gradient of ", fast.gradients, plain.gradients, 10, exact);
  compared.all("statistic ", fast.statistics, plain.statistics, 1);
  return compared.differences;
}

class Comparer {
  readonly differences: string[] = [];

  constructor(private readonly tolerance: number) {}

  /** @param least a length below which only the absolute distance counts */
  near(what: string, actual: readonly number[], expected: readonly number[], least = 0, times = 1): void {
    const distance = length(actual.map((value, index) => value - (expected[index] ?? Number.NaN)));
    const share = distance / Math.max(length(expected), least, 1e-30);
    const sameLength = actual.length === expected.length;
    if (!(sameLength && share < times * this.tolerance))
      this.differences.push(`${what}: ${share.toPrecision(3)} apart`);
  }

  /** Gradients that are next to nothing beside the others, as that of what a batch norm takes away again, are noise. */
  all(
    what: string,
    actual: Passed["gradients"],
    expected: Passed["gradients"],
    times: number,
    exact?: () => Passed["gradients"],
  ): void {
    const before = this.differences.length;
    const greatest = Math.max(...Array.from(expected.values(), length));
    for (const [name, values] of expected) {
      this.near(`${what}${name}`, actual.get(name) ?? [], values, 0.1 * greatest, times);
    }
    if (!exact || this.differences.length === before) return;
    // Some networks make a lot of every rounding. Then neither may be much farther from float64.
    const reference = exact();
    const distance = (found: Passed["gradients"]) =>
      Math.max(
        ...Array.from(reference, ([name, values]) =>
          length(values.map((value, i) => value - (found.get(name)?.[i] ?? Number.NaN))),
        ),
      );
    if (distance(actual) < 4 * distance(expected)) this.differences.length = before;
  }
}
