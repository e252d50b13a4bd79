import { isMainThread } from "node:worker_threads";
import { cpuFlags } from "../cpu/cpu-flags.js";

/**
 * Settings that the libraries below libtorch read from the environment when they are loaded; what the user has set stays.
 * Must run before the addon is loaded, and on the main thread: a worker's `process.env` is a copy that C libraries do not see.
 */
export function settleLibraries(): void {
  if (!isMainThread || process.platform !== "linux") return;
  // OpenBLAS 0.3.21 does not know CPUs newer than itself and falls back to kernels of the year 2004: 217 instead of 383
  // GFLOP/s, measured on a CPU with AVX-512.
  if (cpuFlags().has("avx512f")) process.env.OPENBLAS_CORETYPE ??= "SKYLAKEX";
  // OpenMP's threads spin while they wait for each other. By default they do so for milliseconds, and where another program
  // wants the cores too, training fell to a tenth of its speed; this short a spin costs nothing measurable on idle cores.
  if (process.env.OMP_WAIT_POLICY === undefined) process.env.GOMP_SPINCOUNT ??= "3000";
}
