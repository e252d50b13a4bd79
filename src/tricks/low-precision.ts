import { COMPUTE_DTYPE, describePrecision } from "../nn/precision.js";
import type { LossScale } from "../optim/loss-scaler.js";
import { choice, value } from "../settings/schema.js";
import { touched, trick, untouched } from "./trick.js";

const lossScale = value<LossScale>(
  "none, dynamic or a number above 0",
  (value) => value === "none" || value === "dynamic" || (Number.isFinite(value) && Number(value) > 0),
);

/**
 * Low-precision training (section 3.2): the weights of convolutions and fully connected layers, all activations and their
 * gradients are 16 bit, and the optimizer updates float32 masters. bf16 in place of the paper's fp16, because a CPU has it too.
 */
export const lowPrecision = trick({
  name: "low-precision",
  section: "3.2",
  summary: "16-bit weights and activations with float32 masters",
  group: "tricks",
  switches: [
    { flags: "--precision <type>", help: "fp32, bf16 or fp16 (GPU only)", key: "precision", reads: "text" },
    { flags: "--loss-scale <scale>", help: "none, dynamic or a number", key: "lossScale", reads: "number" },
  ],
  shape: { precision: choice("fp32", "bf16", "fp16"), lossScale },
  off: { precision: "fp32", lossScale: "none" },
  paper: { precision: "bf16", lossScale: "none" },
  start: ({ precision, lossScale }, run) => ({
    precision: () => ({ precision, lossScale }),
    touched: () => {
      const scale = lossScale === "none" ? "" : `, loss scale ${lossScale}`;
      if (precision === "fp32") return untouched(`off: fp32 throughout${scale}`);
      const lowered = [...run.model.parameters()].filter(([, { dtype }]) => dtype === COMPUTE_DTYPE[precision]).length;
      return touched(lowered, `${describePrecision(run.model).join(", ")}; ${lowered} fp32 masters${scale}`);
    },
  }),
  asSwitch: { isOn: ({ precision }) => precision !== "fp32" },
  /** A changed precision brings its own loss scale, unless one is given. */
  completed: (changes, base) => {
    const { precision } = changes;
    const changed = precision !== undefined && precision !== base.precision && changes.lossScale === undefined;
    return changed ? { precision, lossScale: precision === "fp16" ? "dynamic" : "none" } : changes;
  },
});
