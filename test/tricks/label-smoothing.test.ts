/** Label smoothing on examples small enough to work by hand. Its effect on training is test/training/parity.test.ts's. */
import { test } from "node:test";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { type LabelSmoothing, smoothLabels } from "../../src/tricks/label-smoothing.js";
import { near } from "../support/near.js";

test("label smoothing: epsilon over the other classes (the paper), or over all (the libraries)", () => {
  scope(() => {
    const hard = Tensor.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0], [2, 5]);
    const rows = (smoothing: LabelSmoothing) => smoothLabels(hard, smoothing).toArray();
    near(rows({ epsilon: 0.1, spread: "others" }), [0.025, 0.025, 0.9, 0.025, 0.025, 0.9, 0.025, 0.025, 0.025, 0.025]);
    near(rows({ epsilon: 0.1, spread: "all" }), [0.02, 0.02, 0.92, 0.02, 0.02, 0.92, 0.02, 0.02, 0.02, 0.02]);
    // A distribution is smoothed share by share: half of each of two.
    near(
      smoothLabels(Tensor.from([0.5, 0.5, 0, 0, 0], [1, 5]), { epsilon: 0.1, spread: "others" }).toArray(),
      [0.4625, 0.4625, 0.025, 0.025, 0.025],
    );
  });
});
