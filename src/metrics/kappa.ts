import { agreement } from "./agreement.js";
import type { ClassCounts } from "./class-counts.js";

/** Cohen's kappa: every mistake is as bad. */
export const kappa = agreement(
  {
    ...{ name: "kappa", title: "kappa", higherIsBetter: true, form: "number" },
    meaning: "Cohen's kappa: 0 is guessing, 1 is all right (cohen_kappa_score)",
  },
  { of: (steps) => (steps === 0 ? 0 : 1), overPairs },
);

/** All pairs but those of a class with itself. */
function overPairs(counts: readonly ClassCounts[]): number {
  const total = counts.reduce((sum, { images }) => sum + images, 0);
  return counts.reduce((sum, { images, taken }) => sum + images * (total - taken), 0);
}
