import { agreement } from "./agreement.js";
import type { ClassCounts } from "./class-counts.js";

/** Cohen's kappa where a mistake is as bad as the square of what the classes' numbers are apart: for classes whose order means something. */
export const quadraticKappa = agreement(
  {
    ...{ name: "quadratic-kappa", title: "quadratic kappa", higherIsBetter: true, form: "number", ofOrder: true },
    meaning: "weighted by the square of that: says something only where classes have an order (weights=quadratic)",
  },
  { of: (steps) => steps ** 2, overPairs },
);

/** sum_ij (i - j)^2 a_i b_j, multiplied out. */
function overPairs(counts: readonly ClassCounts[]): number {
  const moment = (power: number, of: keyof ClassCounts) =>
    counts.reduce((sum, each, label) => sum + label ** power * each[of], 0);
  return (
    moment(2, "images") * moment(0, "taken") -
    2 * moment(1, "images") * moment(1, "taken") +
    moment(0, "images") * moment(2, "taken")
  );
}
