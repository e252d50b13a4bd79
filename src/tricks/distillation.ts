import { existsSync } from "node:fs";
import type { Split } from "../data/split.js";
import { type Evaluation, evaluationOf } from "../engine/evaluation.js";
import { InputError } from "../base/errors.js";
import type { Module } from "../nn/module.js";
import { aboveZero, atLeastZero, choice, nullOr, offOr, value } from "../settings/schema.js";
import { taskOf } from "../tasks/index.js";
import { oneLabel } from "../tasks/one-label.js";
import type { Task } from "../tasks/task.js";
import { add, mulScalar, sub } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { mismatches } from "../weights/checkpoint-fits.js";
import { type LoadedModel, loadModel } from "../weights/load-model.js";
import { type Run, touched, trick } from "./trick.js";

export interface DistillationLoss {
  /** T; the paper's is 20. */
  readonly temperature: number;
  /** "cross-entropy": the paper's l; "kl": cross-entropy less the teacher's entropy, as timm: the same gradient. */
  readonly loss: "cross-entropy" | "kl";
}

/**
 * The distillation term (section 5.3, equation 6): T^2 l(softmax(r / T), softmax(z / T)), averaged over the batch. The whole
 * loss is l(p, softmax(z)) plus this. Of several labels l is their loss, and the sigmoid stands for the softmax.
 *
 * @param student the student's logits z, [N, K]
 * @param teacher the teacher's logits r, [N, K], for the same (mixed) images
 * @returns a scalar
 */
export function distillationLoss(
  student: Tensor,
  teacher: Tensor,
  { temperature, loss }: DistillationLoss,
  task: Pick<Task, "loss" | "probabilities"> = oneLabel,
): Tensor {
  return scope(() => {
    const soft = mulScalar(teacher, 1 / temperature);
    const target = task.probabilities(soft);
    const agreement = task.loss(mulScalar(student, 1 / temperature), target);
    const distance = loss === "kl" ? sub(agreement, task.loss(soft, target)) : agreement;
    return mulScalar(distance, temperature * temperature);
  });
}

export const distillation = trick({
  name: "distillation",
  section: "5.3",
  summary: "knowledge distillation from a teacher",
  group: "tricks",
  switches: [
    { flags: "--distillation", help: "learn from a teacher too", key: "distillation", value: {} },
    { flags: "--no-distillation", help: "learn from the labels only", key: "distillation", value: false },
    {
      flags: "--teacher <checkpoint>",
      help: "the teacher; switches distillation on",
      key: "distillation.teacher",
      reads: "text",
    },
    {
      flags: "--temperature <T>",
      help: "softens the teacher's and the student's outputs",
      key: "distillation.temperature",
      reads: "number",
      tunes: "--distillation",
    },
    {
      flags: "--distillation-loss <loss>",
      help: "cross-entropy (the paper) or kl (timm)",
      key: "distillation.loss",
      reads: "text",
      tunes: "--distillation",
    },
  ],
  shape: {
    /** The whole loss is `hardWeight * l(p, z) + softWeight * T^2 * l(r / T, z / T)`; `teacher` is a checkpoint's path. */
    distillation: offOr({
      teacher: nullOr(value<string>("a checkpoint's path or null", (value) => typeof value === "string")),
      temperature: aboveZero,
      loss: choice("cross-entropy", "kl"),
      hardWeight: atLeastZero,
      softWeight: aboveZero,
    }),
  },
  off: { distillation: false },
  paper: {
    distillation: { teacher: null, temperature: 20, loss: "cross-entropy", hardWeight: 1, softWeight: 1 },
  },
  paths: ["distillation.teacher"],
  start: ({ distillation }, run) => {
    if (!distillation) return false;
    const { hardWeight, softWeight, temperature, loss } = distillation;
    let teacher: Teacher | undefined;
    return {
      checked: () => checkTeacher(distillation.teacher),
      built: () => {
        teacher = new Teacher(distillation.teacher ?? "", run);
      },
      loss: (supervised, { images, logits }) => {
        if (!teacher) throw new Error("distillation: no teacher was built");
        const soft = distillationLoss(logits, teacher.logits(images), distillation, taskOf(run.train));
        return add(mulScalar(supervised, hardWeight), soft, softWeight);
      },
      touched: () => {
        const weights = `${hardWeight} x loss + ${softWeight} x T^2 ${loss}`;
        const damaged = teacher?.insteadOf === undefined ? "" : `; warning: ${teacher.insteadOf}`;
        return touched(1, `from ${teacher?.architecture}, T = ${temperature}, ${weights}${damaged}`);
      },
      dispose: () => teacher?.dispose(),
    };
  },
});

/** @throws InputError if the recipe distils and its teacher is not named or not there */
function checkTeacher(teacher: string | null): void {
  if (teacher !== null && existsSync(teacher)) return;
  const problem = teacher === null ? "the recipe names no teacher" : `there is no checkpoint at ${teacher}`;
  throw new InputError(`distillation.teacher: ${problem}; give --teacher CKPT or --no-distillation`);
}

/** The network a student learns from (section 5.3). It never learns itself. */
class Teacher {
  readonly #model: Module;
  readonly #evaluation: Evaluation;
  readonly architecture: string;
  /** As `UsableCheckpoint.insteadOf`. */
  readonly insteadOf: string | undefined;

  /**
   * @throws InputError where the checkpoint is missing or broken, or was made for other images or classes than `set`.
   */
  constructor(path: string, { train: set, precision, device, engine }: Run) {
    const loaded = loadModel(path, device, { uncalibrated: true }); // the recipe has a temperature of its own
    requireSameTask(loaded, set, path);
    this.#evaluation = evaluationOf(loaded.model, [set.channels, set.height, set.width], { precision, device, engine });
    this.#model = loaded.model;
    this.architecture = loaded.config.architecture;
    this.insteadOf = loaded.insteadOf;
  }

  /** The teacher's float32 logits for images as the student sees them. */
  logits(images: Tensor): Tensor {
    return this.#evaluation.logits(images);
  }

  dispose(): void {
    this.#evaluation.dispose();
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
