import { sharedLabels } from "../../src/data/image-set.js";
import type { LabelSets } from "../../src/data/split.js";

/** Labels and the sets they stand for, of images whose rows say which classes they show by 1. */
export function labelSetsOf(shown: readonly (readonly number[])[]): { labels: Int32Array; labelSets: LabelSets } {
  const sets = [...new Set(shown.map((row) => row.join()))];
  const labels = sharedLabels(shown.length);
  for (const [image, row] of shown.entries()) labels[image] = sets.indexOf(row.join());
  return { labels, labelSets: sets.map((set) => set.split(",").flatMap((one, label) => (one === "1" ? [label] : []))) };
}
