/** What Linux says of other processes; of one that is gone, and on other systems, nothing. */
import { readFileSync } from "node:fs";

/** @returns 0 where that is not known */
export function parentOf(pid: number): number {
  return Number(statOf(pid)[1] ?? 0);
}

/** @returns 0 where that is not known */
export function sessionOf(pid: number): number {
  return Number(statOf(pid)[3] ?? 0);
}

/** The words of its command line. */
export function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8")
      .split(/[\0 ]+/)
      .filter(Boolean);
  } catch {
    return [];
  }
}

/** State, parent, group, session, …: what stands after "PID (NAME) ", in which a name may hold anything. */
function statOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
  } catch {
    return [];
  }
}
