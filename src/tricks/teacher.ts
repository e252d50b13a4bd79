import type { Split } from "../data/split.js";
import { InputError } from "../base/errors.js";
import type { EngineChoice } from "../engine/engine-name.js";
import { type FastInference, fastInference } from "../engine/fast-inference.js";
import type { Module } from "../nn/module.js";
import { COMPUTE_DTYPE, lowerPrecision, type Precision } from "../nn/precision.js";
import { noGradient } from "../tensor/autograd.js";
import { toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { type LoadedModel, loadModel } from "../weights/load-model.js";
import { mismatches } from "../weights/checkpoint-fits.js";

export interface TeacherOptions {
  readonly precision: Precision;
  readonly device: string;
  readonly engine: EngineChoice;
}

/** The network a student learns from (section 5.3). It never learns itself. */
export class Teacher {
  readonly #model: Module;
  readonly #precision: Precision;
  readonly #fast: FastInference | undefined;
  readonly architecture: string;

  /**
   * @throws InputError where the checkpoint is missing or broken, or was made for other images or classes than `set`.
   */
  constructor(path: string, set: Split, { precision, device, engine }: TeacherOptions) {
    const loaded = loadModel(path, device);
    requireSameTask(loaded, set, path);
    this.#fast = fastInference(loaded.model, [set.channels, set.height, set.width], { precision, device, engine });
    for (const master of lowerPrecision(loaded.model, precision, device).values()) master.dispose();
    this.#model = loaded.model;
    this.#precision = precision;
    this.architecture = loaded.config.architecture;
  }

  /** The teacher's float32 logits for images as the student sees them. */
  logits(images: Tensor): Tensor {
    if (this.#fast) return this.#fast.logits(images);
    const dtype = COMPUTE_DTYPE[this.#precision];
    return noGradient(() => scope(() => toDType(this.#model.forward(toDType(images, dtype)), "float32")));
  }

  dispose(): void {
    this.#fast?.dispose();
    this.#model.dispose();
  }
}

function requireSameTask(loaded: LoadedModel, set: Split, path: string): void {
  const faults = mismatches(loaded, set);
  const near = (a: readonly number[], b: readonly number[]) => a.every((x, i) => Math.abs(x - (b[i] ?? x)) < 1e-3);
  const { mean, std } = loaded.format;
  if (!near(mean, set.mean) || !near(std, set.std)) faults.push(`images of mean ${mean}, not ${set.mean}`);
  if (faults.length === 0) return;
  loaded.model.dispose();
  throw new InputError(
    `distillation.teacher: ${path} does not fit ${set.name}: it was trained for ${faults.join(" and ")}; give another --teacher`,
  );
}
