// Starts a training many times, each with a cache of its own, so that every convolution is measured anew: it must be the fast engine's each time, on
// idle and on busy machines. `npm run test:starts [-- COUNT]`, 200 by default, some ten minutes.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./stamp.mjs";

const CASES = [
  "resnet18d --option width=16 --image-size 28 --batch-size 32",
  "resnet18d --option width=16 --image-size 28 --batch-size 64",
  "resnet20 --image-size 32 --batch-size 32",
  "resnet20 --image-size 32 --batch-size 7",
  "resnet18_small --option width=16 --image-size 32 --batch-size 16",
  "resnet18_small --option width=16 --image-size 28 --batch-size 64",
  "resnet18d_small --option width=16 --image-size 28 --batch-size 64",
  "resnet50 --option width=16 --image-size 64 --batch-size 4",
  "resnet34 --option width=8 --image-size 48 --batch-size 8",
  "mobilenetv1_025 --image-size 64 --batch-size 8",
];

const count = Number(process.argv[2] ?? 200);
if (!(Number.isInteger(count) && count > 0)) {
  console.error("many-starts: how often? A whole number above 0");
  process.exit(2);
}
let failed = 0;
for (let start = 0; start < count; start++) {
  const given = CASES[start % CASES.length] ?? "";
  const cache = mkdtempSync(join(tmpdir(), "knack-starts-"));
  const args = [
    join(root, "bin/knack.js"),
    "bench",
    ...given.split(" "),
    ..."--steps 1 --engine fast --precision fp32".split(" "),
  ];
  const { status, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    env: { ...process.env, XDG_CACHE_HOME: cache },
  });
  rmSync(cache, { recursive: true, force: true });
  if (status === 0) continue;
  failed += 1;
  console.log(`start ${start + 1}: knack bench ${given}: ${stderr.trim()}`);
}
console.log(`${count - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
