/**
 * Whether a hang-up (SIGHUP, the terminal was closed) is to be survived. `nohup` has its program ignore the signal, but Node takes that
 * back before any JavaScript runs, and npx, which is Node too, does so before knack is even started. So what else nohup leaves behind
 * is looked at.
 */
import { closeSync, constants, openSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { isatty } from "node:tty";
import { parentOf, sessionOf } from "./processes.js";

const STANDARD_STREAMS = [0, 1, 2];
/** knack, npx, the shell that it starts, and a script around them. */
const MOST_ANCESTORS = 5;

/** Looks at how the process was started. @returns whether a hang-up that comes now is to be survived */
export function hangupPolicy(): () => boolean {
  if (startedByNohup()) return () => true;
  // One that comes while the terminal is there was sent by somebody. Where it went, it concerns who reads from it or writes to it.
  const away = !STANDARD_STREAMS.some((stream) => isatty(stream)) && hasTerminal();
  return () => away && !hasTerminal();
}

function startedByNohup(): boolean {
  // bash, zsh and ksh say which program they started, and what that becomes keeps it.
  if (basename(process.env._ ?? "") === "nohup") return true;
  return redirectedByNohup() || ignoredByScript();
}

/** In place of a terminal, nohup reads from where nothing can be read, and writes to nohup.out. */
function redirectedByNohup(): boolean {
  if (STANDARD_STREAMS.some((stream) => basename(linkOf(`/proc/self/fd/${stream}`)) === "nohup.out")) return true;
  const flags = /^flags:\s*([0-7]+)/m.exec(textOf("/proc/self/fdinfo/0"))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & 3) === constants.O_WRONLY;
}

/** As `nohup script.sh` and `trap "" HUP` do: whoever started this one in the same session ignores the signal. */
function ignoredByScript(): boolean {
  const session = sessionOf(process.pid);
  let pid = process.ppid;
  for (let i = 0; i < MOST_ANCESTORS && pid > 1 && sessionOf(pid) === session; i++) {
    const ignored = /^SigIgn:\s*([0-9a-f]+)/m.exec(textOf(`/proc/${pid}/status`))?.[1];
    if (ignored !== undefined && (BigInt(`0x${ignored}`) & 1n) === 1n) return true; // signal 1
    pid = parentOf(pid);
  }
  return false;
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK));
    return true;
  } catch {
    return false;
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // not Linux, or gone
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}
