import { agreement } from "./agreement.js";
import type { ClassCounts } from "./class-counts.js";

/** Cohen's kappa where a mistake is as bad as the classes' numbers are apart: for classes whose order means something, as grades. */
export const linearKappa = agreement(
  {
    ...{ name: "linear-kappa", title: "linear kappa", higherIsBetter: true, form: "number", ofOrder: true },
    meaning:
      "mistakes weighted by how far their classes are apart: says something only where classes have an order (weights=linear)",
  },
  { of: (steps) => steps, overPairs },
);

/** Class by class, with what lies below it. */
function overPairs(counts: readonly ClassCounts[]): number {
  let [images, taken, imageSteps, takenSteps, sum] = [0, 0, 0, 0, 0];
  for (const [label, own] of counts.entries()) {
    sum += own.taken * (label * images - imageSteps) + own.images * (label * taken - takenSteps);
    images += own.images;
    taken += own.taken;
    imageSteps += label * own.images;
    takenSteps += label * own.taken;
  }
  return sum;
}
