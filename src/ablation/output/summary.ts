import { loss } from "../../metrics/loss.js";
import type { MetricFacts } from "../../metrics/metric.js";
import { top1 } from "../../metrics/top-1.js";
import type { Recipe } from "../../recipe/recipe.js";
import type { FinishedRun, RunResult } from "../runs/results.js";
import { type Estimate, estimate, meanOf, medianOf, seedsToTell, type Verdict, verdictOf } from "./statistics.js";
import { type AblationTable, comparedBy, type PaperFigure, type Row } from "../tables/table.js";

/** A figure over seeds. Shares are fractions of 1. */
export interface SeedFigures extends Estimate {
  /** One value a seed, in the order of the row's `seeds`. */
  readonly seeds: readonly number[];
}

/** A row of `table.json`. Figures are null while there is no run to take them from. */
export interface RowSummary {
  readonly row: string;
  /** Without its seed. */
  readonly recipe: Omit<Recipe, "seed">;
  /** Seeds whose runs came to their end. */
  readonly seeds: readonly number[];
  /** Of the last epoch (with early stop, of the best). */
  readonly top1: SeedFigures | null;
  /** Cross-entropy on the validation images of the same epoch, nats. */
  readonly loss: SeedFigures | null;
  /** What rows are compared by (`select`), of the same epoch. */
  readonly selected: SeedFigures | null;
  /** The same of the best epoch: somewhat too good, because it is chosen by the same images. */
  readonly best: SeedFigures | null;
  /** The row that this one is compared with; null for the one that others build on. */
  readonly against: string | null;
  /** `selected` less that of `against`, seed by seed. */
  readonly delta: SeedFigures | null;
  readonly bestDelta: SeedFigures | null;
  readonly lossDelta: SeedFigures | null;
  /** Of `delta`; null where there is nothing to compare with. */
  readonly verdict: Verdict | null;
  /** Where it is unclear: how many seeds would tell such a difference from 0; null where that cannot be said. */
  readonly seedsToTell: number | null;
  /** Training throughput, the median of all epochs. */
  readonly imagesPerSecond: number | null;
  /** Of one run, evaluations included, the mean over seeds. */
  readonly seconds: number | null;
  readonly diverged: readonly { readonly seed: number; readonly message: string }[];
  /** The paper's top-1 on ImageNet with ResNet-50; `read` is false where it is only recalled. */
  readonly paper: PaperFigure | null;
}

/** `results.get(row)?.get(seed)` */
export type Results = ReadonlyMap<string, ReadonlyMap<number, RunResult>>;

/** The table's rows with what is known so far. */
export function summarize(table: AblationTable, seeds: readonly number[], results: Results): RowSummary[] {
  const finishedOf = (name: string) => finished(seeds, results.get(name) ?? new Map());
  return table.rows.map((row) => {
    const own = finishedOf(row.name);
    const other = row.against === undefined ? undefined : finishedOf(row.against);
    return summary(row, comparedBy(table), own, other, divergedOf(seeds, results.get(row.name)));
  });
}

type Finished = ReadonlyMap<number, FinishedRun>;

function finished(seeds: readonly number[], runs: ReadonlyMap<number, RunResult>): Finished {
  return new Map(
    seeds.flatMap((seed): [number, FinishedRun][] => {
      const run = runs.get(seed);
      return run === undefined || "diverged" in run ? [] : [[seed, run]];
    }),
  );
}

function divergedOf(seeds: readonly number[], runs: ReadonlyMap<number, RunResult> = new Map()) {
  return seeds.flatMap((seed) => {
    const run = runs.get(seed);
    return run !== undefined && "diverged" in run ? [{ seed, message: run.diverged }] : [];
  });
}

function summary(
  row: Row,
  metric: MetricFacts,
  own: Finished,
  other: Finished | undefined,
  diverged: RowSummary["diverged"],
): RowSummary {
  const { seed: _, ...recipe } = row.recipe;
  const runs = [...own.values()];
  const differences = (figure: (run: FinishedRun) => number) =>
    [...own].flatMap(([seed, run]) => {
      const paired = other?.get(seed);
      return paired === undefined ? [] : [figure(run) - figure(paired)];
    });
  const lastOf =
    ({ name }: MetricFacts) =>
    ({ last }: FinishedRun) =>
      last[name] ?? Number.NaN;
  const bestOf = ({ best }: FinishedRun) => best[metric.name] ?? Number.NaN;
  const deltas = differences(lastOf(metric));
  const gains = deltas.map((delta) => (metric.higherIsBetter ? delta : -delta));
  const verdict = other === undefined ? null : verdictOf(gains);
  return {
    row: row.name,
    recipe,
    seeds: [...own.keys()],
    top1: figures(runs.map(lastOf(top1))),
    loss: figures(runs.map(lastOf(loss))),
    selected: figures(runs.map(lastOf(metric))),
    best: figures(runs.map(bestOf)),
    against: row.against ?? null,
    delta: figures(deltas),
    bestDelta: figures(differences(bestOf)),
    lossDelta: figures(differences(lastOf(loss))),
    verdict,
    seedsToTell: verdict === "unclear" ? seedsToTell(deltas) : null,
    imagesPerSecond: orNull(
      medianOf,
      runs.flatMap(({ epochs }) => epochs.map((epoch) => epoch.imagesPerSecond)),
    ),
    seconds: orNull(
      meanOf,
      runs.map(({ seconds }) => seconds),
    ),
    diverged,
    paper: row.paper ?? null,
  };
}

function figures(values: readonly number[]): SeedFigures | null {
  return values.length === 0 ? null : { ...estimate(values), seeds: values };
}

function orNull(average: (values: readonly number[]) => number, values: readonly number[]): number | null {
  return values.length === 0 ? null : average(values);
}
