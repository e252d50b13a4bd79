import { InputError } from "../base/errors.js";
import { addon } from "../native/torch/addon.js";
import { describeEngine } from "./engine.js";

/**
 * Asks for a device before any work is done for it.
 *
 * @param device "cpu", "cuda", "cuda:1", …
 * @throws InputError where the engine has none by that name; KnackError where the engine does not load.
 */
export function requireDevice(device: string): void {
  if (device === "cpu") {
    // Always there; but the engine loads at its first use: where it does not, this says so before the other work.
    addon.threads();
    return;
  }
  const { devices, libtorch } = describeEngine();
  if (devices.some((name) => name === device || name.startsWith(`${device}:`))) return;
  throw new InputError(
    `--device: libtorch ${libtorch.version} computes on ${devices.join(", ")} here, not on ${device}: see \`knack doctor\``,
  );
}
