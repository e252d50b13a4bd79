import { divideGroups } from "../optim/parameter-groups.js";
import { aboveZero } from "../settings/schema.js";
import { requireTrainedWeights } from "./init.js";
import { partsOfRun, touched, trick } from "./trick.js";

/** Not in the paper: another learning rate for all but the head. */
export const backboneLr = trick({
  name: "backbone-lr",
  summary: "another learning rate for all but the head",
  group: "transfer",
  switches: [
    {
      flags: "--backbone-lr <factor>",
      help: "what the learning rate of all but the head is multiplied by",
      key: "backboneLr",
      reads: "number",
    },
  ],
  shape: { backboneLr: aboveZero },
  off: { backboneLr: 1 },
  paper: { backboneLr: 0.1 },
  start: ({ backboneLr }, run) =>
    backboneLr !== 1 && {
      checked: () => requireTrainedWeights("backboneLr", run.recipe),
      grouped: (groups) => {
        const { backbone } = partsOfRun(run);
        return divideGroups(groups, (parameter) => backbone.has(parameter), { lrFactor: backboneLr });
      },
      touched: () => {
        const { backbone, head } = partsOfRun(run);
        const detail = `lr x ${backboneLr} for ${backbone.size} parameters, all but the head's ${head.size}`;
        return touched(backbone.size, detail);
      },
    },
});
