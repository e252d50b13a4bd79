import { readFileSync } from "node:fs";
import { KnackError } from "./errors.js";
import { groupLimits } from "./limits.js";

/** Something of the machine ran out, or a limit was reached: no fault of any input. Exit code 1. */
export class LackError extends KnackError {
  override readonly name = "LackError";
}

/** Codes and words by which Node, libvips, glib and C++ tell that something ran out. */
const SIGNS: readonly { readonly sign: RegExp; readonly lack: (cause: unknown) => LackError }[] = [
  { sign: /\b(EMFILE|ENFILE)\b|too many open files/i, lack: lackOfFiles },
  {
    sign: /\bEAGAIN\b|\bERR_WORKER_INIT_FAILED\b|creat\w* thread|resource temporarily unavailable/i,
    lack: (cause) => new LackError(lackOfThreads(), { cause }),
  },
  {
    sign: /\bENOMEM\b|out of memory|unable to allocate|failed to allocate|allocation failed|memory limit|bad_alloc/i,
    lack: lackOfMemory,
  },
];

/** Why something failed, where something ran out: says what, and which limit is set. Undefined where it failed by itself. */
export function lackIn(error: unknown): LackError | undefined {
  if (error instanceof LackError) return error;
  if (!(error instanceof Error) || error instanceof KnackError) return undefined;
  const { code = "" } = error as NodeJS.ErrnoException;
  const found = SIGNS.find(({ sign }) => sign.test(code) || sign.test(error.message));
  return found?.lack(error);
}

/** @throws LackError where something ran out */
export function refuseLack(error: unknown): void {
  const lack = lackIn(error);
  if (lack !== undefined) throw lack;
}

function lackOfFiles(cause: unknown): LackError {
  const limits = limitText([["ulimit -n", softLimit("Max open files")]], "the system's limit");
  return new LackError(`too many open files: ${limits}; raise it`, { cause });
}

/** For those who know that threads are what is missing. */
export function lackOfThreads(): string {
  const limits: [string, number][] = [
    ["ulimit -u", softLimit("Max processes")],
    ["pids.max of the control group", groupLimits().threads],
    ["ulimit -v, in bytes,", softLimit("Max address space")],
  ];
  return `no more threads can be started: ${limitText(limits, "the system's limit")}; raise it, or use fewer (--workers 0, OMP_NUM_THREADS=1)`;
}

/** What a JavaScript thread reserves of addresses when it starts, 0.6 to 0.85 GB, and somewhat more: V8 ends the process where it does not get them. */
const ADDRESSES_OF_A_THREAD = 2 ** 30;

/** @throws LackError where so many more threads would not get their addresses (`ulimit -v`) */
export function requireAddresses(threads: number): void {
  const most = softLimit("Max address space");
  if (!Number.isFinite(most)) return;
  const taken = 1024 * Number(/^VmSize:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0);
  if (most - taken < threads * ADDRESSES_OF_A_THREAD) throw new LackError(lackOfThreads());
}

function lackOfMemory(cause: unknown): LackError {
  const limits: [string, number][] = [
    ["ulimit -v, in bytes,", softLimit("Max address space")],
    ["the control group's memory limit, in bytes,", groupLimits().memory],
  ];
  const limited = limitText(limits, "");
  const words =
    limited === ""
      ? "out of memory: the machine has no more; use a smaller model or --batch-size"
      : `out of memory: ${limited}; raise it, or use a smaller model or --batch-size`;
  return new LackError(words, { cause });
}

/** Which of the limits are set: any of them can be the one that was reached. */
function limitText(limits: readonly (readonly [name: string, value: number])[], otherwise: string): string {
  const set = limits.filter(([, value]) => Number.isFinite(value));
  return set.length === 0 ? otherwise : set.map(([name, value]) => `${name} is ${value}`).join(", ");
}

/** A soft limit of this process as /proc names it; Infinity where there is none or no /proc. */
function softLimit(name: string): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    return Number(new RegExp(`^${name} +(\\d+)`, "m").exec(limits)?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}
