/**
 * Command lines, one after the other in this process, which loads knack once: `node command-lines.js '[["train", "nosuch"], …]'` prints
 * what became of each as JSON. For commands that are refused; what trains or is stopped needs a process of its own.
 */
import { main } from "../../src/cli/main.js";
import type { Ended } from "../support/command.js";

const lines: string[][] = JSON.parse(process.argv[2] ?? "[]");
const results: Ended[] = [];
// Each line listens anew.
for (const emitter of [process, process.stdout, process.stderr]) emitter.setMaxListeners(0);
const write = process.stdout.write.bind(process.stdout);
for (const line of lines) {
  const taken = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    process[stream].write = (text: string | Uint8Array) => {
      taken[stream] += text;
      return true;
    };
  }
  process.exitCode = 0;
  await main([process.execPath, "knack", ...line]);
  results.push({ ...taken, code: Number(process.exitCode), signal: null });
}
process.exitCode = 0;
write(JSON.stringify(results), () => process.exit());
