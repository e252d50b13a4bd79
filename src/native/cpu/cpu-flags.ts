import { readFileSync } from "node:fs";

/** The CPU's instruction set flags as Linux names them; empty elsewhere. */
export function cpuFlags(): ReadonlySet<string> {
  try {
    const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
    return new Set(line?.[1]?.split(" ") ?? []);
  } catch {
    return new Set();
  }
}
