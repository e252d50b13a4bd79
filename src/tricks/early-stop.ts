import { counted } from "../base/printable.js";
import { count, offOr } from "../settings/schema.js";
import { touched, trick } from "./trick.js";

/** Not in the paper: ends a run that no longer gets better; the best weights count. */
export const earlyStop = trick({
  name: "early-stop",
  summary: "end after some epochs without a better top-1",
  group: "transfer",
  switches: [
    {
      flags: "--early-stop <epochs>",
      help: "end after so many epochs without a better top-1, with the best weights",
      key: "earlyStop.patience",
      reads: "number",
    },
    { flags: "--no-early-stop", help: "train all epochs", key: "earlyStop", value: false },
  ],
  shape: { earlyStop: offOr({ patience: count }) },
  off: { earlyStop: false },
  paper: { earlyStop: { patience: 10 } },
  start: ({ earlyStop }, { recipe }) => {
    if (!earlyStop) return false;
    const { patience } = earlyStop;
    const { epochs } = recipe;
    return {
      ended: (finishedEpochs, bestEpoch) => finishedEpochs - bestEpoch >= patience,
      touched: () => {
        const reachable = patience < epochs;
        const detail = reachable
          ? `after ${counted(patience, "epoch")} without a better top-1; the best weights are kept`
          : `${counted(patience, "epoch")} without a better top-1 cannot happen in ${counted(epochs, "epoch")}: give a smaller --early-stop`;
        return touched(reachable ? epochs - patience : 0, detail);
      },
    };
  },
});
