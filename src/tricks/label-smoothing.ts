import { digits } from "../base/printable.js";
import { choice, fraction, offOr } from "../settings/schema.js";
import { taskOf } from "../tasks/index.js";
import { add, addScalar, mulScalar } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { touched, trick } from "./trick.js";

export interface LabelSmoothing {
  readonly epsilon: number;
  /** "others": the paper's; "all": what PyTorch, timm and gluon-cv do. */
  readonly spread: "others" | "all";
}

/**
 * Label smoothing (section 5.2, equation 4): the target distribution q of a label y among K classes.
 *
 * Of several labels the answers to each class, yes and no, are the K = 2 classes.
 *
 * - "others": q_y = 1 - eps, q_i = eps / (K - 1) for every other class;
 * - "all": q_i = eps / K for every class, q_y = 1 - eps + eps / K.
 *
 * @returns q_y and q_i
 */
export function smoothedShares({ epsilon, spread }: LabelSmoothing, classes: number): { own: number; other: number } {
  const other = spread === "others" ? epsilon / (classes - 1) : epsilon / classes;
  return { own: spread === "others" ? 1 - epsilon : 1 - epsilon + other, other };
}

/**
 * Each share of targets [N, K] smoothed: of what belongs to a class, `own` stays there and `other` goes to each other one.
 *
 * @param answers among which a target chooses: the classes by default
 */
export function smoothLabels(targets: Tensor, smoothing: LabelSmoothing, answers = targets.shape[1] ?? 1): Tensor {
  const { own, other } = smoothedShares(smoothing, answers);
  return scope(() => add(mulScalar(targets, own), mulScalar(addScalar(mulScalar(targets, -1), 1), other)));
}

export const labelSmoothing = trick({
  name: "label-smoothing",
  section: "5.2",
  summary: "label smoothing",
  group: "tricks",
  switches: [
    {
      flags: "--label-smoothing <epsilon>",
      help: "share of the target that other classes get, such as 0.1",
      key: "labelSmoothing.epsilon",
      reads: "number",
    },
    { flags: "--no-label-smoothing", help: "train on the labels as they are", key: "labelSmoothing", value: false },
    {
      flags: "--smoothing-spread <classes>",
      help: "over the others (the paper) or over all (libraries)",
      key: "labelSmoothing.spread",
      reads: "text",
      tunes: "--label-smoothing",
    },
  ],
  shape: { labelSmoothing: offOr({ epsilon: fraction, spread: choice("others", "all") }) },
  off: { labelSmoothing: false },
  paper: { labelSmoothing: { epsilon: 0.1, spread: "others" } },
  start: ({ labelSmoothing }, run) =>
    labelSmoothing && {
      targets: (targets) => smoothLabels(targets, labelSmoothing, taskOf(run.train).answers(run.train.classes.length)),
      touched: () => {
        if (labelSmoothing.epsilon === 0) return touched(0, "epsilon is 0: give a --label-smoothing above 0");
        const classes = run.train.classes.length;
        const task = taskOf(run.train);
        const { own, other } = smoothedShares(labelSmoothing, task.answers(classes));
        const [shown, not] = task.whose;
        return touched(classes, `targets ${digits(own)} for ${shown}, ${digits(other)} for ${not}`);
      },
    },
});
