import { readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

/**
 * OpenBLAS 0.3.21 does not know CPUs newer than itself and falls back to kernels of the year 2004 (64 instead of 318
 * GFLOP/s, measured). Where the CPU has AVX-512 and the user has not chosen, name the kernels for it. Must run before
 * libtorch loads the BLAS, and on the main thread: a worker's `process.env` is a copy that C libraries do not see.
 */
export function chooseBlasKernels(): void {
  if (!isMainThread || process.platform !== "linux" || process.env.OPENBLAS_CORETYPE !== undefined) return;
  if (cpuFlags().has("avx512f")) process.env.OPENBLAS_CORETYPE = "SKYLAKEX";
}

/** The CPU's instruction set flags as Linux names them; empty elsewhere. */
export function cpuFlags(): ReadonlySet<string> {
  try {
    const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
    return new Set(line?.[1]?.split(" ") ?? []);
  } catch {
    return new Set();
  }
}
