import type { Recipe } from "../../recipe/recipe.js";
import { peakLearningRate } from "../../recipe/learning-rate-schedule.js";
import { ladder, type Rung } from "./ladder.js";
import { type AblationTable, type PaperFigure, type Row, row, type TableRequest } from "./table.js";
import { trickNamed, withoutTricks } from "./switching.js";

/** How many times the small batch the large one is: the paper's 1024 / 256. */
const LARGER = 4;

const SCALING = trickNamed("linear-scaling");
const LADDER = ["warmup", "zero-gamma", "no-bias-decay", "low-precision"].map(trickNamed);

/** Table 4, top-1 of ResNet-50; recalled, not read. */
const PAPER = {
  small: [0.7587, 0.7603, 0.7619, 0.7616, 0.7615],
  large: [0.7517, 0.7593, 0.7637, 0.7603, 0.7621],
};

const recalled = (figures: readonly number[], index: number): PaperFigure => ({
  top1: figures[index] ?? 0,
  read: false,
});

const rungs = (figures: readonly number[]): Rung[] =>
  LADDER.map((trick, index) => ({ trick, paper: recalled(figures, index + 1) }));

/**
 * Table 4 (section 3): the tricks of efficient training one after the other, at the base recipe's batch and at four times as
 * much. The small batch is the reference of the linear scaling, so that there its factor is 1.
 */
export function efficientTable({ base, without }: TableRequest): AblationTable {
  const { batchSize } = base;
  const notes: string[] = [];
  const plain: Recipe = {
    ...withoutTricks(base, [SCALING, ...LADDER]),
    lr: peakLearningRate(base),
  };
  const prefix = `batch ${batchSize}: `;
  const bottom = row(`${prefix}baseline`, plain, undefined, recalled(PAPER.small, 0));
  const rows = ladder({ bottom, rungs: rungs(PAPER.small), settings: base, prefix, without, notes });
  const large = without.has(SCALING.name) ? [] : largeLadder(base, bottom, without);
  const [scaled] = large;
  if (scaled) notes.unshift(batchNote(batchSize, scaled.recipe.batchSize));
  return {
    name: "efficient",
    title: "Efficient training, the paper's Table 4",
    comparison: `each row with the one above${scaled ? `; "${scaled.name}" with "${bottom.name}"` : ""}`,
    rows: [...rows, ...large],
    notes,
    teacher: undefined,
  };
}

/** What can have no row has none in either ladder, and the small one's notes say so. */
function largeLadder(base: Recipe, small: Row, without: TableRequest["without"]): Row[] {
  const { batchSize } = small.recipe;
  const recipe: Recipe = {
    ...small.recipe,
    batchSize: LARGER * batchSize,
    linearScaling: { referenceBatch: batchSize },
  };
  const prefix = `batch ${recipe.batchSize}: `;
  const bottom = row(`${prefix}linear scaling`, recipe, small.name, recalled(PAPER.large, 0));
  return ladder({ bottom, rungs: rungs(PAPER.large), settings: base, prefix, without, notes: [] });
}

function batchNote(small: number, large: number): string {
  return `the two batches are ${small} (--batch-size) and ${LARGER} times as much, ${large}; the paper's are 256 and 1024`;
}
