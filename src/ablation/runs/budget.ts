import { InputError } from "../../base/errors.js";
import type { Rehearsed } from "../../tools/rehearsal/rehearsal.js";
import { atExtent, type Extent } from "./plan.js";
import type { AblationTable } from "../tables/table.js";

/** What was measured of a row or the teacher, by name. */
export type Measured = ReadonlyMap<string, Rehearsed>;

/** What a budget of time allows, and what it is expected to take. */
export interface Fit extends Extent {
  /** Expected seconds of the whole ablation. */
  readonly seconds: number;
}

/** Epochs, and seeds, below which a budget does not go by itself: shorter runs and fewer seeds tell nothing. */
const LEAST_EPOCHS = 5;
const LEAST_SEEDS = 3;
/** Shares of the training images that are tried, as parts of what was asked for. */
const SHARES = [1, 1 / 2, 1 / 4, 1 / 8];
/** For what is not measured: checkpoints, plots, the machine's other work. */
const MARGIN = 1.1;

/**
 * The largest part of what was asked for that a budget has time for. Epochs go first, down to 5; then training images, to a half,
 * a quarter and an eighth; then seeds, down to 3.
 *
 * @param budget seconds
 * @throws InputError where even the smallest does not fit
 */
export function fitBudget(table: AblationTable, asked: Extent, measured: Measured, budget: number): Fit {
  const epochs = fewestEpochs(table);
  const leastEpochs = Math.min(epochs, LEAST_EPOCHS);
  const leastSeeds = Math.min(asked.seeds.length, LEAST_SEEDS);
  let smallest = Number.POSITIVE_INFINITY;
  for (let seeds = asked.seeds.length; seeds >= leastSeeds; seeds--) {
    for (const share of SHARES) {
      for (let tried = epochs; tried >= leastEpochs; tried--) {
        const extent = {
          seeds: asked.seeds.slice(0, seeds),
          epochsFactor: tried / epochs,
          trainShare: asked.trainShare * share,
        };
        const seconds = expectedSeconds(table, extent, share, measured);
        if (seconds <= budget) return { ...extent, seconds };
        smallest = Math.min(smallest, seconds);
      }
    }
  }
  throw new InputError(
    `--budget: ${Math.round(budget)} s are too short: with ${leastSeeds} seeds, ${leastEpochs} epochs and an eighth of the images ` +
      `it would take about ${Math.ceil(smallest)} s; give more time, fewer --seeds or --epochs, or a smaller --model`,
  );
}

/**
 * @param share the part of the measured number of training images
 * @returns seconds of all runs; infinite where the images make no batch
 */
export function expectedSeconds(table: AblationTable, extent: Extent, share: number, measured: Measured): number {
  const { rows, teacher } = atExtent(table, extent);
  const runSeconds = (name: string, { epochs, batchSize }: { epochs: number; batchSize: number }) => {
    const { times, trainImages } = measured.get(name) ?? {};
    if (times === undefined || trainImages === undefined) return 0;
    const steps = Math.floor((trainImages * share) / batchSize);
    if (steps === 0) return Number.POSITIVE_INFINITY;
    return times.start + epochs * (steps * times.step + times.evaluation);
  };
  const perSeed = rows.reduce((sum, { name, recipe }) => sum + runSeconds(name, recipe), 0);
  const once = teacher ? runSeconds(teacher.name, teacher) : 0;
  return MARGIN * (once + extent.seeds.length * perSeed);
}

/** Of the rows' epochs the fewest, which the others are multiples of (some train longer, as the paper's do). */
function fewestEpochs({ rows }: AblationTable): number {
  return Math.min(...rows.map(({ recipe }) => recipe.epochs));
}
