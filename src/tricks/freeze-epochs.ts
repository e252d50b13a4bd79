import { counted } from "../base/printable.js";
import { countOrZero } from "../settings/schema.js";
import { requireTrainedWeights } from "./init.js";
import { partsOfRun, touched, trick } from "./trick.js";

/** Not in the paper: in its first epochs only the head learns, while the backbone keeps its weights and its BN statistics. */
export const freezeEpochs = trick({
  name: "freeze-epochs",
  summary: "epochs in which only the head learns",
  group: "transfer",
  switches: [
    {
      flags: "--freeze-epochs <count>",
      help: "epochs in which only the head learns",
      key: "freezeEpochs",
      reads: "number",
    },
  ],
  shape: { freezeEpochs: countOrZero },
  off: { freezeEpochs: 0 },
  paper: { freezeEpochs: 1 },
  start: ({ freezeEpochs }, run) =>
    freezeEpochs > 0 && {
      checked: () => requireTrainedWeights("freezeEpochs", run.recipe),
      frozen: (epoch) => (epoch < freezeEpochs ? partsOfRun(run).backbone : new Set()),
      touched: () => {
        const { backbone, head } = partsOfRun(run);
        const detail = `${backbone.size} parameters and all BN statistics stay as they are for ${counted(freezeEpochs, "epoch")}; the head's ${head.size} learn`;
        return touched(backbone.size, detail);
      },
    },
  problems: ({ freezeEpochs }, { epochs }) =>
    freezeEpochs >= epochs
      ? [{ key: "freezeEpochs", message: `must be fewer than the run's epochs, ${epochs}, not ${freezeEpochs}` }]
      : [],
});
