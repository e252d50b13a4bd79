/** Rows for `knack ablate DATA --table examples/own-trick-table.ts`: what the trick of own-trick.ts is worth, and at which strength. */
import type { Grid } from "knack";
import recipe, { confidencePenalty } from "./own-trick.js";

const { tricks: _, ...without } = recipe;

const grid: Grid = {
  rows: [
    { row: "without", recipe: without },
    ...[0.1, 0.3].map((strength) => ({
      row: `+ confidence penalty ${strength}`,
      recipe: { ...without, tricks: [confidencePenalty({ strength })] },
    })),
  ],
};

export default grid;
