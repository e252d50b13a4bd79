import { type ClassCounts, classCountsOf, f1Of, precisionOf, recallOf } from "./class-counts.js";
import type { AnyOutcomes } from "./index.js";
import { type ClassSeparation, separationsOf } from "./one-against-rest.js";
import { classCountsOfSets } from "./several/label-counts.js";

/** What is measured of one class. */
export interface ClassFigures extends ClassCounts, ClassSeparation {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

const NOT_SEPARATED: ClassSeparation = { auroc: Number.NaN, averagePrecision: Number.NaN };

/** Of every class, in their order. AUROC and average precision are NaN where there is nothing to tell apart, or the scores were not kept. */
export function classFiguresOf(outcomes: AnyOutcomes): ClassFigures[] {
  const several = "labelSets" in outcomes;
  const separations = several ? undefined : separationsOf(outcomes);
  const separationOf = (label: number) =>
    several ? outcomes.scores?.separationOf(label, outcomes.weights) : separations?.[label];
  return (several ? classCountsOfSets(outcomes) : classCountsOf(outcomes)).map((counts, label) => ({
    ...counts,
    ...(separationOf(label) ?? NOT_SEPARATED),
    precision: precisionOf(counts),
    recall: recallOf(counts),
    f1: f1Of(counts),
  }));
}
