/** What the trick of own-trick.ts is worth, and at which strength: rows over a base recipe, which `knack ablate --recipe` gives. */
import type { Grid } from "knack";
import { confidencePenalty } from "./own-trick.js";

const grid: Grid = {
  rows: [
    { row: "without", recipe: { tricks: [] } },
    ...[0.1, 0.3].map((strength) => ({
      row: `+ confidence penalty ${strength}`,
      recipe: { tricks: [confidencePenalty({ strength })] },
    })),
  ],
};

export default grid;
