import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";
import { LackError, lackOfThreads } from "../../base/lack.js";

/** What process.cc exports. */
interface ProcessAddon {
  startableThreads(wanted: number): number;
  setEnvironment(name: string, value: string | undefined): void;
  tryLock(file: number): boolean | undefined;
}

let loaded: ProcessAddon | undefined;

/** Undefined where it was not built. Nothing that computes is either then, and says so. */
function addon(): ProcessAddon | undefined {
  try {
    loaded ??= createRequire(import.meta.url)("../../../../build/process.node") as ProcessAddon;
    return loaded;
  } catch {
    return undefined;
  }
}

/**
 * Finds out before it is too late whether so many more threads can be started: libraries that get none end the process, wait for
 * ever, or say that a picture is broken.
 *
 * @param what needs them, for the message: "computing with 8 threads"
 * @throws LackError that names the limits
 */
export function requireThreads(count: number, what: string): void {
  const startable = addon()?.startableThreads(count) ?? count;
  if (startable < count) throw new LackError(`${what}: ${lackOfThreads()}`);
}

/**
 * Locks an open file until it is closed, or the process has ended in whatever way. Whoever opens it again, here too, does not get the lock.
 *
 * @returns false where somebody else has it; undefined where the file system knows no locks
 */
export function tryLock(file: number): boolean | undefined {
  return addon()?.tryLock(file);
}

/** Sets or removes a variable for the libraries of this process, whichever thread this is: a worker's `process.env` is a copy. */
export function setEnvironment(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
  if (!isMainThread) addon()?.setEnvironment(name, value);
}
