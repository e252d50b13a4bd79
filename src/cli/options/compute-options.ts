import { Option } from "commander";
import { TTA_NAMES } from "../../settings/test-time.js";
import { ENGINE_NAMES } from "../../engine/engine-name.js";

export type Device = "cpu" | "cuda";

/** `--device`, shared by the commands that compute. */
export function deviceOption(): Option {
  return new Option("--device <device>", "where to compute").choices(["cpu", "cuda"]).default("cpu");
}

/** `--precision`, shared by the commands that evaluate. */
export function evaluationPrecisionOption(): Option {
  return new Option(
    "--precision <precision>",
    "auto is bf16 where this processor has instructions for it and the run's top-1 did not suffer",
  )
    .choices(["fp32", "bf16", "fp16", "auto"])
    .default("fp32");
}

/** `--tta`, shared by the commands that evaluate. */
export function ttaOption(): Option {
  return new Option(
    "--tta <views>",
    "average the logits of a picture and its mirror image (flip), or of its four corners and centre (five-crop)",
  ).choices(TTA_NAMES);
}

/** `--engine`, shared by the commands that train. */
export function engineOption(): Option {
  return new Option(
    "--engine <engine>",
    "what computes: plain is libtorch, fast is compiled, for CPUs (default: auto, the fast one where it can)",
  ).choices(ENGINE_NAMES);
}
