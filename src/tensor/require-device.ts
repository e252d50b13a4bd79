import { InputError } from "../base/errors.js";
import { describeEngine } from "./engine.js";

/**
 * Asks for a device before any work is done for it.
 *
 * @param device "cpu", "cuda", "cuda:1", …
 * @throws InputError where the engine has none by that name.
 */
export function requireDevice(device: string): void {
  if (device === "cpu") return;
  const { devices, libtorch } = describeEngine();
  if (devices.some((name) => name === device || name.startsWith(`${device}:`))) return;
  throw new InputError(
    `--device: libtorch ${libtorch.version} computes on ${devices.join(", ")} here, not on ${device}: see \`knack doctor\``,
  );
}
