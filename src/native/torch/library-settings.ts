import { availableParallelism } from "node:os";
import { usableProcessors } from "../../base/limits.js";
import { cpuFlags } from "../cpu/cpu-flags.js";
import { setEnvironment } from "../process/process.js";

/**
 * Settings that the libraries below libtorch read from the environment when they are loaded; what the user has set stays, where it can be
 * meant. Must run before the addon is loaded.
 *
 * @param tell what is told where a setting of the user's is not taken; default: a warning of the process (`process.emitWarning`)
 */
export function settleLibraries(tell: (line: string) => void = (line) => process.emitWarning(line)): void {
  settleThreads(tell);
  if (process.platform !== "linux") return;
  // OpenBLAS 0.3.21 does not know CPUs newer than itself and falls back to kernels of the year 2004: 217 instead of 383
  // GFLOP/s, measured on a CPU with AVX-512.
  if (cpuFlags().has("avx512f")) unlessSet("OPENBLAS_CORETYPE", "SKYLAKEX");
  // OpenMP's threads spin while they wait for each other. By default they do so for milliseconds, and where another program
  // wants the cores too, training fell to a tenth of its speed; this short a spin costs nothing measurable on idle cores.
  if (process.env.OMP_WAIT_POLICY === undefined) unlessSet("GOMP_SPINCOUNT", "3000");
  // Debian 13's libtorch brings UCX along, which takes SIGHUP for a wish to see its log: a closed terminal was no stop.
  unlessSet("UCX_DEBUG_SIGNO", "0");
  // OpenBLAS knows of the affinity, but of no quota.
  unlessSet("OPENBLAS_NUM_THREADS", String(computingThreads()));
}

/** Threads that libtorch is to compute with: what the user has settled, or as many as the process can keep busy. */
export function computingThreads(): number {
  return Number(process.env.OMP_NUM_THREADS?.split(",")[0]) || usableProcessors();
}

/** OpenMP takes one thread for a number that is none, and a thousand on two cores, where no step ends any more: all cores are meant. */
function settleThreads(tell: (line: string) => void): void {
  const asked = process.env.OMP_NUM_THREADS;
  if (asked === undefined) return;
  // "4,2" is the number of threads, then of threads in each of those.
  const counts = /^\s*\d+\s*(,\s*\d+\s*)*$/.test(asked) ? asked.split(",").map(Number) : [0];
  const [threads = 0] = counts;
  const isNumber = counts.every((count) => count > 0);
  if (isNumber && threads <= availableParallelism()) return;
  setEnvironment("OMP_NUM_THREADS", undefined);
  const all = usableProcessors();
  if (isNumber) tell(`OMP_NUM_THREADS=${asked}: there are no more than ${all} cores to compute on: all are used`);
  else if (asked !== "") {
    tell(`OMP_NUM_THREADS: must be a whole number above 0, not ${JSON.stringify(asked)}: all ${all} cores are used`);
  }
}

function unlessSet(name: string, value: string): void {
  if (process.env[name] === undefined) setEnvironment(name, value);
}
