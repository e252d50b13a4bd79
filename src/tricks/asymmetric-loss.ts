import { InputError } from "../base/errors.js";
import { atLeastZero, fraction, offOr } from "../settings/schema.js";
import { add, addScalar, clamp, log, logSigmoid, mul, mulScalar, powScalar, sigmoid, sumAll } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { touched, trick } from "./trick.js";

export interface AsymmetricLoss {
  readonly gammaPositive: number;
  readonly gammaNegative: number;
  /** m: by so much the probability of a class that is not there is lowered before it counts. */
  readonly margin: number;
}

/** What stands for a probability that is 0 in a logarithm, as in the authors' code. */
const LEAST = 1e-8;

/**
 * Asymmetric loss (Ridnik et al. 2021, arXiv 2009.14119, equations 4 to 7): of several labels a picture most classes are not there, and easy ones of
 * these count less and less. p is the sigmoid of a logit, p_m = max(p - m, 0), y a target:
 *
 *     L = -sum_k [ y_k (1 - p)^gamma+ log p + (1 - y_k) p_m^gamma- log(1 - p_m) ], the mean over the batch
 *
 * With both gammas 0 and no margin it is binary cross-entropy.
 *
 * @param logits [N, K] float32
 * @param targets [N, K] in [0, 1]
 * @returns a scalar
 */
export function asymmetricLossOf(
  logits: Tensor,
  targets: Tensor,
  { gammaPositive, gammaNegative, margin }: AsymmetricLoss,
): Tensor {
  return scope(() => {
    const p = sigmoid(logits);
    const not = (x: Tensor) => addScalar(mulScalar(x, -1), 1);
    const shifted = clamp(addScalar(p, -margin), 0, 1);
    const focused = (loss: Tensor, by: Tensor, gamma: number) => (gamma === 0 ? loss : mul(powScalar(by, gamma), loss));
    const present = focused(logSigmoid(logits), not(p), gammaPositive);
    const missing = margin === 0 ? logSigmoid(mulScalar(logits, -1)) : log(clamp(not(shifted), LEAST, 1));
    const absent = focused(missing, shifted, gammaNegative);
    const sum = sumAll(add(mul(targets, present), mul(not(targets), absent)));
    return mulScalar(sum, -1 / (logits.shape[0] ?? 1));
  });
}

/** Not in He et al.: for several labels a picture, in place of binary cross-entropy. */
export const asymmetricLoss = trick({
  name: "asymmetric-loss",
  summary: "asymmetric loss, for several labels a picture",
  group: "tricks",
  switches: [
    {
      flags: "--asymmetric-loss",
      help: "several labels: let classes that are clearly not there count less",
      key: "asymmetricLoss",
      value: {},
    },
    { flags: "--no-asymmetric-loss", help: "binary cross-entropy", key: "asymmetricLoss", value: false },
    {
      flags: "--gamma-negative <gamma>",
      help: "how much less",
      key: "asymmetricLoss.gammaNegative",
      reads: "number",
      tunes: "--asymmetric-loss",
    },
    {
      flags: "--gamma-positive <gamma>",
      help: "the same for classes that clearly are there",
      key: "asymmetricLoss.gammaPositive",
      reads: "number",
      tunes: "--asymmetric-loss",
    },
    {
      flags: "--asymmetric-margin <share>",
      help: "below this probability a class that is not there does not count at all",
      key: "asymmetricLoss.margin",
      reads: "number",
      tunes: "--asymmetric-loss",
    },
  ],
  shape: { asymmetricLoss: offOr({ gammaPositive: atLeastZero, gammaNegative: atLeastZero, margin: fraction }) },
  off: { asymmetricLoss: false },
  paper: { asymmetricLoss: { gammaPositive: 0, gammaNegative: 4, margin: 0.05 } },
  start: ({ asymmetricLoss }, run) =>
    asymmetricLoss && {
      checked: () => {
        if (run.train.labelSets) return;
        throw new InputError(
          "asymmetricLoss (--asymmetric-loss): it is for several labels a picture, and these have one each; drop it",
        );
      },
      criterion: (logits, targets) => asymmetricLossOf(logits, targets, asymmetricLoss),
      touched: () => {
        const { gammaPositive, gammaNegative, margin } = asymmetricLoss;
        const isPlain = gammaPositive === 0 && gammaNegative === 0 && margin === 0;
        if (isPlain) return touched(0, "both gammas and the margin are 0: that is binary cross-entropy");
        const detail = `gamma ${gammaNegative} for absent classes, ${gammaPositive} for present ones, margin ${margin}`;
        return touched(run.train.classes.length, detail);
      },
    },
});
