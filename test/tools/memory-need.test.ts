/** What trainings need of memory, estimated from small batches, against what processes that trained had. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { memoryKills } from "../../src/base/limits.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { memoryNeed } from "../../src/tools/memory/memory-need.js";
import type { ProbedTraining } from "../../src/tools/memory/probe.js";
import { KNACK } from "../support/command.js";
import { ControlGroup, memory } from "../support/control-group.js";
import { repositoryRoot } from "../support/oracle.js";
import { scratchFolder } from "../support/scratch-folder.js";
import { writeTinyData } from "../support/tiny-data.js";

const at = scratchFolder("memory");
const { npm_lifecycle_event: _, ...environment } = process.env;
const env = { ...environment, OMP_NUM_THREADS: "1" };
const TINY = "--model resnet18_small --option width=16 --epochs 1 --no-warmup --engine plain".split(" ");

before(() => writeTinyData(at("data"), { train: 6000, validation: 64 }));

test("estimated within 15 % of what was measured", async () => {
  const recipe = parseRecipe(
    { model: "resnet18_small", modelOptions: { width: 16 }, warmup: false },
    "the test's recipe",
  );
  const pictures = { photographs: false, height: 32, width: 32, channels: 3, classes: 10 } as const;
  const training: ProbedTraining = { recipe, pictures, engine: { engine: "auto", winograd: true }, workers: 0 };
  const need = await memoryNeed(training);
  for (const batchSize of [16, 600]) {
    const task = { ...training, recipe: { ...recipe, batchSize } };
    const probe = join(repositoryRoot, "dist/src/tools/memory/probe.js");
    const { bytes } = JSON.parse(execFileSync(process.execPath, [probe, JSON.stringify(task)], { encoding: "utf8" }));
    const share = need.at(batchSize) / bytes;
    assert.ok(share > 0.85 && share < 1.15, `batch of ${batchSize}: ${share.toFixed(3)} of ${bytes} bytes`);
  }
  assert.equal(need.largestIn(need.at(100) + 1), 100);
  assert.equal(need.largestIn(1), 0);
});

/** A dozen trainings: only by `npm run test:memory`. */
const skip = process.env.KNACK_MEMORY !== "1" && "only by npm run test:memory";

test("--batch-size auto trains in a control group that the recipe's own batch does not fit into", { skip }, (t) => {
  const group = ControlGroup.make(memory(700 * 2 ** 20));
  if (typeof group === "string") return t.skip(group);
  using _group = group;
  const train = (batch: string, out: string) =>
    group.run([process.execPath, KNACK, "train", at("data"), ...TINY, "--batch-size", batch, "--out", at(out)], env);
  const before = memoryKills();
  const killed = train("2000", "killed");
  assert.ok(killed.signal === "SIGKILL" || killed.status !== 0, "a batch of 2000 was to be too large");
  const { status, stdout, stderr } = train("auto", "auto");
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^knack: batch size \d+: the largest that fits$/m);
  assert.match(stdout, /^done in /m);
  // As a run would be left by a process that the kernel killed meanwhile.
  if (before === undefined || before === memoryKills()) return;
  const lock = { pid: killed.pid, host: hostname(), since: new Date().toISOString(), memoryKills: before };
  writeFileSync(at("auto/lock.json"), JSON.stringify(lock));
  const resumed = spawnSync(process.execPath, [KNACK, "train", "--resume", at("auto")], { encoding: "utf8", env });
  assert.match(
    resumed.stdout,
    /^warning: the process that trained this run before, with batches of \d+, was killed, most likely because memory ran out: a batch of \d+ needs about [\d.]+ GiB, and [\d.]+ GiB are free: \d+ would fit \(--batch-size \d+ --allow-changes\)$/m,
  );
});

test("an allocation that fails names batch size, need and what would fit", { skip }, () => {
  const command = [
    process.execPath,
    KNACK,
    "train",
    at("data"),
    ...TINY,
    "--batch-size",
    "5000",
    "--out",
    at("failed"),
  ];
  const limited = ["-c", 'ulimit -v 6000000 && exec "$@"', "sh", ...command];
  const { status, stderr } = spawnSync("sh", limited, { encoding: "utf8", env });
  assert.equal(status, 1, stderr);
  assert.match(stderr, /^knack: .*out of memory: ulimit -v, in bytes, is \d+/);
  assert.match(
    stderr,
    /a batch of 5000 needs about [\d.]+ GiB, and [\d.]+ GiB are free: \d+ would fit \(--batch-size auto\)\n$/,
  );
});
