import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import { type DeviceCase, PLAIN, recipeOf, type Trained, trained, type Where } from "./device-cases.js";

/** How far two trainings by one recipe lie apart. */
export interface Difference {
  /** The largest of the losses', of steps and evaluation, as shares of the loss. */
  readonly losses: number;
  /**
   * The largest of the weights' and running statistics': the norm of a tensor's difference, as a share of what the training changed it by, or of a hundredth
   * of what the most changed one of its kind was changed by, where that is more.
   */
  readonly weights: number;
  /** The tensor with that. */
  readonly worst: string;
  /** Whether as many steps were skipped, and counters among the weights are equal. */
  readonly sameCounts: boolean;
}

export function differenceOf(expected: Trained, actual: Trained): Difference {
  const losses = lossesOf(expected).map((loss, index) => Math.abs((lossesOf(actual)[index] ?? NaN) - loss) / loss);
  const [floats, counters] = [
    [...expected.weights].filter(isFloat),
    [...expected.weights].filter((entry) => !isFloat(entry)),
  ];
  const changes = new Map(floats.map(([name, after]) => [name, distance(after, expected.before.get(name))]));
  const leastOf = (kind: boolean) =>
    Math.max(...Array.from(changes, ([name, change]) => (isStatistic(name) === kind ? change : 0))) / 100;
  const least = { weights: leastOf(false), statistics: leastOf(true) };
  let [worst, weights] = ["", 0];
  for (const [name, after] of floats) {
    const apart = distance(after, actual.weights.get(name));
    // Where nothing was changed, as where every step overflowed, nothing may differ.
    const share =
      apart === 0 ? 0 : apart / Math.max(changes.get(name) ?? 0, isStatistic(name) ? least.statistics : least.weights);
    if (share <= weights || Number.isNaN(weights)) continue;
    [worst, weights] = [name, share];
  }
  const same = ([name, { data }]: [string, RawTensor]) => actual.weights.get(name)?.data.join() === data.join();
  const sameCounts = expected.skippedSteps === actual.skippedSteps && counters.every(same);
  return { losses: Math.max(...losses), weights, worst, sameCounts };
}

const isStatistic = (name: string) => name.includes("running_");
const isFloat = ([, { dtype }]: [string, RawTensor]) => dtype === "float32";

/**
 * What devices that round differently must agree in. In 16 bits many a gate of ReLU goes the other way: there the weights are only to be nearer to the CPU's
 * than to those that the training began with.
 */
const TOLERANCE = { fp32: { losses: 1e-3, weights: 1e-2 }, "16 bit": { losses: 1e-2, weights: 1 } };
/** Masks drawn on a device are its own: the losses stay near each other, the weights need not. */
const WITH_OWN_DRAWS = { losses: 0.5, weights: Number.POSITIVE_INFINITY };

/** What a difference may be for a case. */
export function toleranceOf({ recipe, drawsOnDevice = false }: DeviceCase) {
  if (drawsOnDevice) return WITH_OWN_DRAWS;
  return TOLERANCE[recipe.precision === undefined || recipe.precision === "fp32" ? "fp32" : "16 bit"];
}

export function isWithin({ losses, weights, sameCounts }: Difference, most: { losses: number; weights: number }) {
  return sameCounts && losses <= most.losses && weights <= most.weights;
}

/**
 * A gate of ReLU that stands at zero goes either way in every order of rounding, and moves a gradient by a jump; a device that computes something else does
 * so with other weights and draws too.
 */
const DRAWS = 4;
/** Steps so small that such a jump stays what it is. */
const RATE = 1e-6;

/** A case's difference between the plain engine on the CPU and elsewhere: of the first seed with which they agree, else of the last. */
export async function compareWithCpu(example: DeviceCase, there: Where): Promise<Difference & { draws: number }> {
  const folder = mkdtempSync(join(tmpdir(), "knack-devices-"));
  try {
    for (let draws = 1; ; draws++) {
      const recipe = { ...recipeOf(example, folder, draws), lr: RATE };
      const onCpu = { ...recipe, ...example.onCpu };
      const cpu = await trained(onCpu, example.side ?? 16, { device: "cpu", engine: PLAIN });
      const difference = differenceOf(cpu, await trained(recipe, example.side ?? 16, there));
      if (draws === DRAWS || isWithin(difference, toleranceOf(example))) return { ...difference, draws };
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function lossesOf({ steps, evaluation }: Trained): number[] {
  return [...steps.flatMap(({ loss, labelLoss }) => [loss, labelLoss]), evaluation.metrics.loss as number];
}

/** The norm of the difference of two float32 tensors. */
function distance(a: RawTensor, b: RawTensor | undefined): number {
  const [left, right] = [valuesOf(a), b ? valuesOf(b) : new Float32Array()];
  return Math.sqrt(left.reduce((sum, value, index) => sum + (value - (right[index] ?? NaN)) ** 2, 0));
}

function valuesOf({ data }: RawTensor): Float32Array {
  return new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4);
}
