import type { Recipe } from "../../recipe/recipe.js";
import { titleOf, type Trick } from "../../tricks/trick.js";
import { idleReason, switchedOn } from "./switching.js";
import { type PaperFigure, type Row, row } from "./table.js";

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
  readonly without: ReadonlySet<string>;
  /** Gets a line for each trick that would change nothing and so has no row. */
  readonly notes: string[];
}

/** Rows of which each adds one trick to the row above, and is compared with it. The bottom row is the first. */
export function ladder({ bottom, rungs, settings, prefix = "", without, notes }: LadderOptions): Row[] {
  const rows = [bottom];
  for (const { trick, paper } of rungs) {
    if (without.has(trick.name)) continue;
    const below = rows.at(-1) ?? bottom;
    const title = titleOf(trick);
    const reason = idleReason(trick, below.recipe, settings);
    if (reason === undefined)
      rows.push(row(`${prefix}+ ${title}`, switchedOn(trick, below.recipe, settings), below.name, paper));
    else notes.push(`no row for ${prefix}${title}: ${reason}`);
  }
  return rows;
}
