import { counted } from "../base/printable.js";
import { count, offOr } from "../settings/schema.js";
import { selectedMetric, touched, trick } from "./trick.js";

/** Not in the paper: ends a run that no longer gets better by the metric of its recipe's `select`; the best weights count. */
export const earlyStop = trick({
  name: "early-stop",
  summary: "end after some epochs that were not better",
  group: "transfer",
  switches: [
    {
      flags: "--early-stop <epochs>",
      help: "end after so many epochs without a better top-1 (or what --select says), with the best weights",
      key: "earlyStop.patience",
      reads: "number",
    },
    { flags: "--no-early-stop", help: "train all epochs", key: "earlyStop", value: false },
  ],
  shape: { earlyStop: offOr({ patience: count }) },
  off: { earlyStop: false },
  paper: { earlyStop: { patience: 10 } },
  start: ({ earlyStop }, run) => {
    if (!earlyStop) return false;
    const { patience } = earlyStop;
    const { epochs } = run.recipe;
    return {
      ended: (finishedEpochs, improvedEpoch) => finishedEpochs - improvedEpoch >= patience,
      touched: () => {
        const { title } = selectedMetric(run);
        const reachable = patience < epochs;
        const detail = reachable
          ? `after ${counted(patience, "epoch")} without a better ${title}; the best weights are kept`
          : `${counted(patience, "epoch")} without a better ${title} cannot happen in ${counted(epochs, "epoch")}: give a smaller --early-stop`;
        return touched(reachable ? epochs - patience : 0, detail);
      },
    };
  },
});
