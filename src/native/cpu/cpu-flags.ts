import { readFileSync } from "node:fs";

/** How Linux calls the line, by processor: emulation shows programs the host's. */
const LINE = process.arch === "x64" ? "flags" : "Features";

/** The CPU's instruction set flags as Linux names them; empty elsewhere. */
export function cpuFlags(): ReadonlySet<string> {
  try {
    const line = new RegExp(`^${LINE}\\s*:\\s*(.*)$`, "m").exec(readFileSync("/proc/cpuinfo", "utf8"));
    return new Set(line?.[1]?.split(" ") ?? []);
  } catch {
    return new Set();
  }
}
