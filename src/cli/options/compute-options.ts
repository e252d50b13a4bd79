import { Option } from "commander";
import { ENGINE_NAMES } from "../../engine/engine-name.js";

export type Device = "cpu" | "cuda";

/** `--device`, shared by the commands that compute. */
export function deviceOption(): Option {
  return new Option("--device <device>", "where to compute").choices(["cpu", "cuda"]).default("cpu");
}

/** `--engine`, shared by the commands that train. */
export function engineOption(): Option {
  return new Option(
    "--engine <engine>",
    "what computes: plain is libtorch, fast is compiled, for CPUs (default: auto, the fast one where it can)",
  ).choices(ENGINE_NAMES);
}
