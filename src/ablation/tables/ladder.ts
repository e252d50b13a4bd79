import type { Recipe } from "../../recipe/recipe.js";
import { type PaperFigure, type Row, row } from "./table.js";
import type { Trick, TrickName } from "./tricks.js";

export interface Rung {
  readonly trick: Trick;
  readonly paper?: PaperFigure;
}

interface LadderOptions {
  /** What the tricks are added to. */
  readonly bottom: Row;
  readonly rungs: readonly Rung[];
  /** Where the tricks' settings come from. */
  readonly settings: Recipe;
  /** Before each row's name, where a table has several ladders. */
  readonly prefix?: string;
  readonly without: ReadonlySet<TrickName>;
  /** Gets a line for each trick that would change nothing and so has no row. */
  readonly notes: string[];
}

/** Rows of which each adds one trick to the row above, and is compared with it. The bottom row is the first. */
export function ladder({ bottom, rungs, settings, prefix = "", without, notes }: LadderOptions): Row[] {
  const rows = [bottom];
  for (const { trick, paper } of rungs) {
    if (without.has(trick.name)) continue;
    const below = rows.at(-1) ?? bottom;
    const reason = trick.idle?.(below.recipe, settings);
    if (reason === undefined)
      rows.push(row(`${prefix}+ ${trick.name}`, trick.on(below.recipe, settings), below.name, paper));
    else notes.push(`no row for ${prefix}${trick.name}: ${reason}`);
  }
  return rows;
}
