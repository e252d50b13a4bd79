// Runs the compiled tests; arguments choose the files whose names contain one of them. Ends with "N passed, N failed".
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { filesUnder, root } from "./stamp.mjs";

const wanted = process.argv.slice(2);
// What was compiled from a source that is gone is no test any more.
const isCurrent = (/** @type {string} */ file) =>
  existsSync(join(root, file.replace(/^dist./, "").replace(/\.js$/, ".ts")));
const files = filesUnder("dist/test", ".test.js")
  .filter(isCurrent)
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
if (files.length === 0) {
  console.error(`test: no test file in dist/test${wanted.length > 0 ? ` is named like ${wanted.join(" or ")}` : ""}`);
  console.log("0 passed, 0 failed");
  process.exit(1);
}

mkdirSync(join(root, "build"), { recursive: true });
const tap = join(root, "build/test.tap");
const node = spawnSync(
  process.execPath,
  [
    "--test",
    "--test-concurrency=2",
    ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
    ...["--test-reporter=tap", `--test-reporter-destination=${tap}`],
    ...files,
  ],
  { cwd: root, stdio: "inherit" },
);

const report = readFileSync(tap, "utf8");
const count = (/** @type {string} */ what) => Number(report.match(new RegExp(`^# ${what} (\\d+)$`, "m"))?.[1] ?? 0);
const passed = count("pass");
// A runner that ended badly without counting a failure (killed, out of memory) has failed all the same.
const failed = Math.max(count("fail") + count("cancelled"), node.status === 0 ? 0 : 1);
const skipped = count("skipped") + count("todo");
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
