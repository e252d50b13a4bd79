/** What the machine does to runs: a disk that fills up, a folder that goes, pictures that go. What was saved stays, and the run goes on from there. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { before, test } from "node:test";
import type { Worker } from "node:worker_threads";
import sharp from "sharp";
import { runSession } from "../../src/run/session.js";
import type { TrainEvent } from "../../src/run/events.js";
import { KNACK, keptEvents, startKnack, until } from "../support/command.js";
import { four, left, scratchFolder, session, tiny } from "../support/tiny-training.js";
import { writeTinyData } from "../support/tiny-data.js";

/** As CommonJS sees it: there it can be changed. */
const workerThreads = createRequire(import.meta.url)("node:worker_threads") as typeof import("node:worker_threads");

const at = scratchFolder("faults");
const { npm_lifecycle_event: _, ...environment } = process.env;
const env = { ...environment, OMP_NUM_THREADS: "1" };
const TINY = "--model resnet18_small --option width=4 --batch-size 16 --no-warmup --engine plain --workers 0".split(
  " ",
);
const train = (...more: string[]) => ["train", at("data"), ...TINY, "--epochs", "3", ...more];

before(() => {
  writeTinyData(at("data"), { train: 16 * 6, validation: 64 });
});

test("a full disk: the last checkpoint stays, and with room again the run ends with the same bits", async (t) => {
  assert.equal((await startKnack(train("--out", at("undisturbed"))).ended).code, 0);
  mkdirSync(at("mount"));
  const everyStep = ["--checkpoint-every", "1", "--keep-checkpoints", "99"];
  const script = `set -u; knack="$1 $2" && shift 2
    mount -t tmpfs -o size=3m tmpfs ${at("mount")} || { echo unmountable; exit 9; }
    $knack "$@"; echo "full: $?"
    ls ${at("mount")}/run/checkpoints/.last-* -d | wc -l
    cp -r ${at("mount")}/run ${at("when-full")}
    $knack train --resume ${at("mount")}/run; echo "still full: $?"
    mount -o remount,size=90m ${at("mount")}
    $knack train --resume ${at("mount")}/run; echo "room: $?"
    cp -r ${at("mount")}/run ${at("copied")}`;
  const command = [
    "-m",
    "bash",
    "-c",
    script,
    "bash",
    process.execPath,
    KNACK,
    ...train(...everyStep),
    "--out",
    at("mount/run"),
  ];
  const { stdout, stderr } = spawnSync("unshare", command, { encoding: "utf8", env });
  if (!/full: /.test(stdout)) return t.skip(`nothing can be mounted here: ${stderr}`);
  assert.match(stdout, /^full: 1$/m);
  assert.match(stdout, /^still full: 1$/m);
  assert.match(stdout, /^room: 0$/m, stderr);
  const lines = stderr.trimEnd().split("\n");
  assert.match(
    lines[0] ?? "",
    /^knack: cannot write .*: no space left on device; the run is saved up to step \d+: put that right, then go on with: knack train --resume /,
  );
  assert.doesNotMatch(stderr, /\n {4}at /);
  const events = keptEvents(at("when-full")).filter((event) => event.type === "step");
  assert.deepEqual(
    events.map(({ step }) => step),
    Array.from(events, (_, i) => i + 1),
    "no line of the metrics is lost, or there twice",
  );
  assert.deepEqual(left(at("copied")), left(at("undisturbed")));
});

test("a disk that is read-only: one line, and writable again the run ends with the same bits", (t) => {
  mkdirSync(at("readonly"));
  const run = at("readonly/run");
  const script = `set -u; knack="$1 $2" && shift 2
    mount -t tmpfs -o size=90m tmpfs ${at("readonly")} || { echo unmountable; exit 9; }
    $knack "$@" & training=$!
    until [ -e ${run}/checkpoints/last ]; do sleep 0.1; done
    kill $training; wait $training; echo "stopped: $?"
    mount -o remount,ro ${at("readonly")} || { echo unmountable; exit 9; }
    $knack train --resume ${run}; echo "read-only: $?"
    $knack "$@" --out ${at("readonly/another")}; echo "another: $?"
    mount -o remount,rw ${at("readonly")}
    $knack train --resume ${run}; echo "writable: $?"
    cp -r ${run} ${at("written")}`;
  const training = [...train("--checkpoint-every", "1", "--out", run), "--epochs", "30"];
  const command = ["-m", "bash", "-c", script, "bash", process.execPath, KNACK, ...training];
  const { stdout, stderr } = spawnSync("unshare", command, { encoding: "utf8", env });
  if (!/read-only: /.test(stdout)) return t.skip(`nothing can be mounted here: ${stderr}`);
  for (const line of ["stopped: 143", "read-only: 2", "another: 2", "writable: 0"])
    assert.match(stdout, new RegExp(`^${line}$`, "m"), stderr);
  const [resumed, another, ...more] = stderr
    .trimEnd()
    .split("\n")
    .filter((line) => !/^stopping /.test(line));
  assert.match(
    resumed ?? "",
    /^knack: cannot write in .*: read-only file system; make it writable, or copy the folder and go on in the copy$/,
  );
  assert.match(another ?? "", /^knack: cannot make the run folder .*: read-only file system; .*--out/);
  assert.deepEqual(more, []);
  const steps = keptEvents(at("written")).filter((event) => event.type === "step");
  assert.deepEqual(
    steps.map(({ step }) => step),
    Array.from({ length: 30 * 6 }, (_, i) => i + 1),
  );
});

test("the run's folder is taken away: one line, and what was moved goes on", async () => {
  const out = at("vanished");
  const { child, ended } = startKnack([...train("--out", out, "--json", "--checkpoint-every", "1"), "--epochs", "20"]);
  await until("a checkpoint", () => existsSync(join(out, "checkpoints/last")));
  renameSync(out, at("moved"));
  const { code, stderr } = await ended;
  child.kill();
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^knack: cannot write [^\n]*: no such file or directory; the run is saved up to step \d+[^\n]*\n$/,
  );
  const resumed = await startKnack(["train", "--resume", at("moved"), "--json"]).ended;
  assert.equal(resumed.code, 0, resumed.stderr);
});

test("pictures that go while a run trains are left out, counted and named; too many end it, and it goes on when they are back", async () => {
  for (const name of ["ant", "bee"]) {
    for (const split of ["train", "val"]) {
      mkdirSync(at("photos", split, name), { recursive: true });
      for (let i = 0; i < 24; i++) {
        const create = { width: 30 + i, height: 30, channels: 3, background: name === "ant" ? "red" : "blue" } as const;
        writeFileSync(at("photos", split, name, `${i}.jpg`), await sharp({ create }).jpeg().toBuffer());
      }
    }
  }
  cpSync(at("photos"), at("whole"), { recursive: true });
  const photos = ["train", at("photos"), ...TINY, "--batch-size", "8", "--image-size", "32", "--json"];
  const afterFirstEpoch = async (out: string, change: () => void) => {
    const { child, ended } = startKnack([...photos, "--epochs", "14", "--out", out]);
    let changed = false;
    child.stdout?.on("data", (text: string) => {
      if (changed || !text.includes('"type":"epoch"')) return;
      changed = true;
      change();
    });
    return ended;
  };
  const few = await afterFirstEpoch(at("few"), () => rmSync(at("photos/train/ant/3.jpg")));
  assert.equal(few.code, 0, few.stderr);
  const last = few.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as TrainEvent);
  assert.equal(last.findLast((event) => event.type === "epoch")?.badPictures, 1);
  assert.match(
    readFileSync(at("few/bad-pictures.json"), "utf8"),
    /"train\/ant\/3\.jpg": ".*no such file or directory"/,
  );

  const many = await afterFirstEpoch(at("many"), () => renameSync(at("photos/train/bee"), at("photos/bee-away")));
  assert.equal(many.code, 2);
  assert.match(many.stderr, /^knack: photos train: \d+ of \d+ pictures cannot be read, more than 5 %[^\n]*\n$/);
  renameSync(at("photos/bee-away"), at("photos/train/bee"));
  const resumed = await startKnack(["train", "--resume", at("many"), "--json"]).ended;
  assert.equal(resumed.code, 0, resumed.stderr);
});

test("a loader thread that dies: one line, and the run goes on from its last checkpoint with the same bits", async () => {
  const recipe = tiny({ epochs: 6 });
  await session({ data: four, recipe, out: at("loaded"), workers: 2 });
  const threads: Worker[] = [];
  const { Worker: Original } = workerThreads;
  class Watched extends Original {
    constructor(...given: ConstructorParameters<typeof Worker>) {
      super(...given);
      threads.push(this);
    }
  }
  Object.assign(workerThreads, { Worker: Watched });
  syncBuiltinESMExports();
  const out = at("dead-loader");
  const options = { data: four, recipe, out, workers: 2, device: "cpu", checkpoints: { every: { steps: 1 } } } as const;
  try {
    await assert.rejects(async () => {
      for await (const event of runSession(options, () => false)) {
        if (event.type === "step" && event.step === 6) await threads[1]?.terminate();
      }
    }, /^KnackError: loader worker 2 ended unexpectedly \(exit code 1\); the run is saved up to step \d+: put that right, then go on with/);
  } finally {
    Object.assign(workerThreads, { Worker: Original });
    syncBuiltinESMExports();
  }
  assert.equal(threads.length, 2);
  await session({ resume: out, data: four, workers: 1 });
  assert.deepEqual(left(out), left(at("loaded")));
});
