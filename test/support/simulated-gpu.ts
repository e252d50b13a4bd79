import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { repositoryRoot } from "./oracle.js";

interface SimulatedGpu {
  /**
   * What happened since this was last asked, a letter each: "o" operators (however many in a row), "a" a copy on a stream of its own, "r" its memory
   * was claimed for another stream, "c" a copy in order, "w" the CPU waited for the GPU.
   */
  traced(): string;
}

export const SIMULATED_GPU = join(repositoryRoot, "build/simulated-gpu.node");

/**
 * The GPU of test/support/simulated-gpu.cc, in this process from now on: import this before anything that loads knack's addon. Undefined where set-up did not
 * build it, for another libtorch than it is written for.
 */
export const simulatedGpu: SimulatedGpu | undefined = existsSync(SIMULATED_GPU)
  ? createRequire(import.meta.url)(SIMULATED_GPU)
  : undefined;
