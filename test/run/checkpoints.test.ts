/** Checkpoints inside an epoch, those that are kept, damaged ones, and who may write a run. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { olderVersions } from "../../src/base/atomic-file.js";
import type { RecipeInput } from "../../src/recipe/recipe.js";
import { CheckpointClock } from "../../src/run/checkpoint-policy.js";
import { FolderLock } from "../../src/run/run-lock.js";
import { loadCheckpoint } from "../../src/weights/checkpoint.js";
import { inputError } from "../support/input-error.js";
import { repositoryRoot } from "../support/oracle.js";
import { four, left, ofType, scratchFolder, session, tiny } from "../support/tiny-training.js";

const at = scratchFolder("checkpoints");
const last = (run: string) => join(run, "checkpoints/last");
const config = (folder: string) => JSON.parse(fs.readFileSync(join(folder, "config.json"), "utf8"));
const stepAt = (folder: string): number => config(folder).knack.step;

/** 3 epochs of 4 steps. */
const recipe = tiny({ mixup: {}, ema: { decay: 0.9 }, precision: "bf16", schedule: { type: "cosine" } });
const everyStep = { every: { steps: 1 }, keep: 12 };

before(async () => {
  await session({ data: four, recipe, out: at("undisturbed") });
  await session({ data: four, recipe, out: at("every-step"), checkpoints: everyStep });
});

/** A copy of a run as it would be where it had been killed after a checkpoint, the `older`-th before its last. */
function killedAt(older: number, name: string, of = at("every-step")): string {
  const run = at(name);
  fs.cpSync(of, run, { recursive: true, verbatimSymlinks: true });
  const kept = olderVersions(last(run))[older - 1];
  assert.ok(kept);
  fs.unlinkSync(last(run));
  fs.symlinkSync(kept.slice(kept.lastIndexOf("/") + 1), last(run));
  return run;
}

test("a run is saved after every so many steps, once a step, and older ones stay", () => {
  const run = at("every-step");
  assert.deepEqual([last(run), ...olderVersions(last(run))].map(stepAt), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
  assert.deepEqual(left(run), left(at("undisturbed")));
});

test("by default two older ones stay, and a finished run's are of its last epochs", () => {
  const run = at("undisturbed");
  assert.deepEqual([last(run), ...olderVersions(last(run))].map(stepAt), [12, 8, 4]);
});

for (const older of [1, 3, 6, 11]) {
  test(`a run that was killed ${older} steps before its end goes on with the same bits`, async () => {
    const run = killedAt(older, `killed-${older}`);
    await session({ resume: run, data: four });
    assert.deepEqual(left(run), left(at("undisturbed")));
  });
}

/** Recipes with a state of their own, or that draw random numbers. */
const RECIPES: Record<string, () => RecipeInput> = {
  "a teacher": () => ({ distillation: { teacher: join(at("undisturbed"), "checkpoints/best") } }),
  "balanced classes, cutmix": () => ({ classBalance: "sampling", cutmix: {}, accumulation: 2 }),
  "weighted classes, smoothing": () => ({ classBalance: "weights", labelSmoothing: {}, warmup: { epochs: 1 } }),
  "trained weights, frozen for an epoch": () => ({
    init: { weights: at("undisturbed") },
    freezeEpochs: 2,
    backboneLr: 0.1,
  }),
  "a loss scale that is found": () => ({
    precision: "bf16",
    lossScale: "dynamic",
    ema: { decay: 0.5 },
    noBiasDecay: true,
  }),
};

describe("from any step, whatever the recipe and the number of threads", () => {
  for (const [name, changes] of Object.entries(RECIPES)) {
    test(name, async () => {
      const of = { data: four, recipe: tiny(changes()) };
      await session({ ...of, out: at(name), checkpoints: everyStep, workers: 1 });
      for (const older of [2, 5, 10]) {
        const run = killedAt(older, `${name} ${older}`, at(name));
        await session({ resume: run, data: four, workers: older % 3 });
        assert.deepEqual(left(run), left(at(name)));
      }
    });
  }
});

test("the clock: after so many steps, or so many minutes after the last checkpoint", () => {
  const steps = new CheckpointClock({ steps: 500 });
  assert.deepEqual(
    [499, 500, 501, 1000].map((step) => steps.isDue(step)),
    [false, true, false, true],
  );
  const soon = new CheckpointClock({ minutes: 1e-9 });
  assert.equal(soon.isDue(1), true);
  const later = new CheckpointClock({ minutes: 10 });
  assert.equal(later.isDue(1), false);
});

/** Ways to damage a checkpoint's folder, and what is said about it. */
const DAMAGES: Record<string, { damage: (folder: string) => void; said: RegExp }> = {
  "flipped bytes among the weights": {
    damage: (folder) => flip(join(folder, "model.safetensors")),
    said: /model\.safetensors is damaged: its bytes are not those that were written/,
  },
  "flipped bytes in the optimizer's state": {
    damage: (folder) => flip(join(folder, "training.safetensors")),
    said: /training\.safetensors is damaged/,
  },
  "a file that was cut off": {
    damage: (folder) => fs.truncateSync(join(folder, "model.safetensors"), 1000),
    said: /model\.safetensors is damaged: it has 1000 bytes, and \d+ were written/,
  },
  "an empty config.json": {
    damage: (folder) => fs.writeFileSync(join(folder, "config.json"), ""),
    said: /config\.json is damaged: it has 0 bytes/,
  },
  "another config.json": {
    damage: (folder) => {
      const text = fs.readFileSync(join(folder, "config.json"), "utf8");
      fs.writeFileSync(join(folder, "config.json"), text.replace('"crop_pct": 1', '"crop_pct": 2'));
    },
    said: /config\.json is damaged: its bytes are not those .* if it was changed on purpose, remove .*manifest\.json/,
  },
  "a broken manifest": {
    damage: (folder) => fs.writeFileSync(join(folder, "manifest.json"), '{"files": {"mod'),
    said: /manifest\.json is damaged/,
  },
  "missing weights": {
    damage: (folder) => fs.rmSync(join(folder, "model.safetensors")),
    said: /cannot read .*model\.safetensors: no such file/,
  },
  "missing optimizer's state": {
    damage: (folder) => fs.rmSync(join(folder, "training.safetensors")),
    said: /holds no training\.safetensors/,
  },
  "an empty folder": {
    damage: (folder) => {
      for (const file of fs.readdirSync(folder)) fs.rmSync(join(folder, file));
    },
    said: /holds no training\.safetensors/,
  },
};

function flip(file: string): void {
  const bytes = fs.readFileSync(file);
  for (let i = 0; i < 8; i++) bytes[bytes.length - 100 + i] = (bytes[bytes.length - 100 + i] as number) ^ 0x40;
  fs.writeFileSync(file, bytes);
}

describe("where the newest checkpoint is damaged the one before it is used, and that is said", () => {
  for (const [name, { damage, said }] of Object.entries(DAMAGES)) {
    test(name, async () => {
      const run = killedAt(4, name);
      damage(fs.realpathSync(last(run)));
      const events = await session({ resume: run, data: four });
      const [warning] = ofType(events, "warning");
      assert.match(warning?.message ?? "", said);
      assert.match(warning?.message ?? "", /; used instead: .*\.last-\d+$/);
      assert.equal(ofType(events, "step")[0]?.step, 8, "the damaged one is of step 8, the one before of step 7");
      assert.deepEqual(left(run), left(at("undisturbed")));
    });
  }
});

test("of two damaged ones the third is used; where none is whole, the newest's fault is the error", async () => {
  const run = killedAt(1, "all damaged");
  const [newest = "", ...others] = [last(run), ...olderVersions(last(run))].map((path) => fs.realpathSync(path));
  flip(join(newest, "model.safetensors"));
  flip(join(others[0] ?? "", "training.safetensors"));
  assert.equal(stepAt(loadCheckpoint(last(run)).insteadOf?.split(": ").at(-1) ?? ""), 10, "that needs no optimizer");
  for (const folder of others.slice(1)) flip(join(folder, "training.safetensors"));
  await assert.rejects(session({ resume: run, data: four }), inputError(/model\.safetensors is damaged/));
});

test("a damaged best checkpoint gives way to the last, which is said", () => {
  const run = killedAt(1, "best damaged");
  flip(join(run, "checkpoints/best/model.safetensors"));
  const { insteadOf, config } = loadCheckpoint(run);
  assert.match(insteadOf ?? "", /best\/?.*model\.safetensors is damaged.*used instead: .*checkpoints\/last$/);
  assert.equal(config.knack?.step, 11);
});

test("a checkpoint without a manifest, as earlier versions and other programs write them, is read", () => {
  const run = killedAt(1, "no manifest");
  fs.rmSync(join(last(run), "manifest.json"));
  assert.equal(loadCheckpoint(last(run)).insteadOf, undefined);
});

test("a run that is being written is refused to a second writer, and free once the first has ended", async () => {
  const run = killedAt(2, "two writers");
  {
    using _ = FolderLock.take(run);
    await assert.rejects(
      session({ resume: run, data: four }),
      inputError(/is being written by process \d+ since .*: wait until that has ended, or stop it \(kill \d+\)/),
    );
  }
  await session({ resume: run, data: four });
  assert.equal(fs.existsSync(join(run, "lock.json")), false);
});

test("the lock of a process that was killed is taken over", async () => {
  const run = killedAt(2, "killed writer");
  const module = join(repositoryRoot, "dist/src/run/run-lock.js");
  const program = `const { FolderLock } = await import(${JSON.stringify(module)});
    FolderLock.take(${JSON.stringify(run)}); console.log("taken"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  assert.throws(() => FolderLock.take(run), inputError(new RegExp(`process ${child.pid} since`)));
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  assert.ok(fs.existsSync(join(run, "lock.json")));
  using lock = FolderLock.take(run);
  assert.equal(lock.killed?.pid, child.pid);
});

test("how to stop the writer is said only where its number means that process", () => {
  const run = killedAt(2, "writer elsewhere");
  using _ = FolderLock.take(run);
  const lock = join(run, "lock.json");
  const writer = JSON.parse(fs.readFileSync(lock, "utf8"));
  const refused = (changed: object, message: RegExp) => {
    fs.writeFileSync(lock, JSON.stringify({ ...writer, ...changed }));
    assert.throws(() => FolderLock.take(run), inputError(message));
  };
  refused({ pid: 1, host: "4a5b6c" }, /by process 1 on 4a5b6c since .*, or stop it there$/);
  if (process.platform === "linux") {
    refused({ pid: 1, processes: "pid:[1]" }, /by process 1 of another container of \S+ since .*, or stop it there$/);
  }
  refused({}, new RegExp(`by process ${process.pid} since .*\\(kill ${process.pid}\\)$`));
});
