import { cpuAddon } from "../native/cpu/addon.js";
import { torchOrigin } from "../tensor/engine.js";
import { whyNoFastEngine } from "./engine.js";

/** What the fast engine gives: the least and the most of docs/performance.md's first table, "x tuned". The plain engine is libtorch, as that is. */
export const FAST_ENGINE_GAIN =
  "trains 1.4 to 2.0 times as fast as PyTorch tuned by hand in fp32 (measured: docs/performance.md)";

/** Which engine computes networks on this machine's CPU. */
export interface EngineHere {
  readonly name: "fast" | "plain";
  /** The fast engine's oneDNN, "3.7.2"; null where there is none. */
  readonly oneDnn: string | null;
  /** Why it is not the fast one; null where it is. */
  readonly fault: string | null;
  /** The command that gets the fast one; null where none does. */
  readonly remedy: string | null;
}

export function engineHere(): EngineHere {
  const fault = whyNoFastEngine({ device: "cpu", precision: "fp32" });
  const oneDnn = cpuAddon()?.processor().library ?? null;
  if (fault === undefined) return { name: "fast", oneDnn, fault: null, remedy: null };
  // It brings a oneDNN.
  const helps = !cpuAddon() && torchOrigin() !== "pip" && process.platform === "linux" && process.arch === "x64";
  return { name: "plain", oneDnn, fault, remedy: helps ? "npm run setup -- --from pip" : null };
}

/** The last lines of set-up. */
export function describeEngineHere(): string[] {
  const { oneDnn, fault, remedy } = engineHere();
  if (fault === null) return [`engine: fast, by oneDNN ${oneDnn}, which ${FAST_ENGINE_GAIN}`];
  const lines = [`engine: plain, since the fast one is not to be had: ${fault}`];
  return remedy === null ? lines : [...lines, `  the fast one ${FAST_ENGINE_GAIN}; this gets it: ${remedy}`];
}
