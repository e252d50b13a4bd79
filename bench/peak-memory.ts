import { readFileSync } from "node:fs";

/**
 * The most memory that this process has had in RAM, in bytes. On Linux not by getrusage: that counts what the process it was started by had at that
 * moment, too.
 */
export function peakMemory(): number {
  const status = process.platform === "linux" ? readFileSync("/proc/self/status", "utf8") : "";
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(status) ?? [];
  return 1024 * (kilobytes === undefined ? process.resourceUsage().maxRSS : Number(kilobytes));
}
