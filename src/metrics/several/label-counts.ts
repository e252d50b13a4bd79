import type { ClassCounts } from "../class-counts.js";
import { type LabelSetOutcomes, shownIn } from "./label-set-outcomes.js";

/** How often each class is shown, taken, and both. */
export function classCountsOfSets({
  classes,
  labels,
  labelSets,
  taken: takenFor,
  weights,
}: LabelSetOutcomes): ClassCounts[] {
  const [images, right, taken] = [new Float64Array(classes), new Float64Array(classes), new Float64Array(classes)];
  for (let image = 0; image < labels.length; image++) {
    const [shown, others, weight] = [
      shownIn({ labels, labelSets }, image),
      takenFor[image] as readonly number[],
      weights[image] as number,
    ];
    for (const label of shown) images[label] = (images[label] as number) + weight;
    for (const label of others) {
      taken[label] = (taken[label] as number) + weight;
      if (shown.includes(label)) right[label] = (right[label] as number) + weight;
    }
  }
  return Array.from(images, (count, label) => {
    return { images: count, right: right[label] as number, taken: taken[label] as number };
  });
}
