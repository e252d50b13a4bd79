import { Option } from "commander";

export type Device = "cpu" | "cuda";

/** `--device`, shared by the commands that compute. */
export function deviceOption(): Option {
  return new Option("--device <device>", "where to compute").choices(["cpu", "cuda"]).default("cpu");
}
