import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { replaceDirectoryAtomic, writeFileAtomic } from "../../src/base/atomic-file.js";
import { KnackError } from "../../src/base/errors.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import type { TrainEvent } from "../../src/run/events.js";
import { writeCurves } from "../../src/run/plots.js";
import { defaultRunPath, RunFolder } from "../../src/run/run-folder.js";
import { FolderLock } from "../../src/run/run-lock.js";
import { type Checkpoint, loadCheckpoint, loadResumable, saveCheckpoint } from "../../src/weights/checkpoint.js";
import type { CheckpointConfig } from "../../src/weights/config.js";
import { inputError } from "../support/input-error.js";

/** Runs `body` with a folder of its own. */
function inFolder(body: (folder: string) => void): () => void {
  return () => {
    const folder = fs.mkdtempSync(join(tmpdir(), "knack-run-"));
    try {
      body(folder);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  };
}

const config: CheckpointConfig = {
  architecture: "resnet18d",
  num_classes: 2,
  in_chans: 1,
  input_size: [1, 28, 28],
  mean: [0.286],
  std: [0.353],
  label_names: ["shirt", "bag"],
  interpolation: "bilinear",
  crop_pct: 1,
  model_options: { width: 0.5 },
  knack: { version: "0.1.0", epoch: 3, step: 1200, top1: 0.91, top5: 1, recipe: "bag-of-tricks" },
};

function checkpointOf(value: number): Checkpoint {
  const weight: RawTensor = { dtype: "uint8", shape: [1], data: Uint8Array.of(value) };
  return { weights: new Map([["fc.weight", weight]]), config };
}

function weightIn(path: string): number | undefined {
  return loadCheckpoint(path).weights.get("fc.weight")?.data[0];
}

function stepEvent(step: number): TrainEvent {
  const epoch = Math.ceil(step / 2);
  const progress = { step, totalSteps: 6, epoch, epochs: 3, stepInEpoch: step - 2 * (epoch - 1), stepsPerEpoch: 2 };
  return {
    type: "step",
    ...progress,
    loss: 1 / step,
    labelLoss: 1 / step,
    lr: 0.1,
    imagesPerSecond: 100,
    skippedSteps: 0,
    lossScale: 1,
  };
}

function epochEvent(epoch: number): TrainEvent {
  const results = { trainLoss: 1, top1: 0.9, top5: 1, validationLoss: 0.5, best: true, waitSeconds: 0, badPictures: 0 };
  const metrics = { "top-1": 0.9, "top-5": 1, loss: 0.5 };
  return { type: "epoch", epoch, step: 2 * epoch, ...results, metrics, imagesPerSecond: 100, lr: 0.1, seconds: 5 };
}

test(
  "a file is replaced whole, over a killed process's leftover",
  inFolder((folder) => {
    const file = join(folder, "recipe.json");
    fs.writeFileSync(join(folder, ".recipe.json.tmp"), "half of somethi");
    writeFileAtomic(file, "one");
    writeFileAtomic(file, Uint8Array.of(50));
    assert.equal(fs.readFileSync(file, "utf8"), "2");
    assert.deepEqual(fs.readdirSync(folder), ["recipe.json"]);
  }),
);

test(
  "a file that cannot be written is named, and nothing is left behind",
  inFolder((folder) => {
    assert.throws(
      () => writeFileAtomic(join(folder, "missing", "a.json"), "x"),
      new KnackError(`cannot write ${join(folder, "missing", "a.json")}: no such file or directory`),
    );
    fs.mkdirSync(join(folder, "taken"));
    assert.throws(() => writeFileAtomic(join(folder, "taken"), "x"), { name: "KnackError", exitCode: 1 });
    assert.deepEqual(fs.readdirSync(folder), ["taken"]);
  }),
);

test("a full disk is named", { skip: !fs.existsSync("/dev/full") }, () => {
  const run = fs.mkdtempSync(join(tmpdir(), "knack-run-"));
  try {
    fs.symlinkSync("/dev/full", join(run, ".a.json.tmp"));
    assert.throws(() => writeFileAtomic(join(run, "a.json"), "x"), /cannot write .*a\.json: no space left on device/);
    assert.deepEqual(fs.readdirSync(run), []);
  } finally {
    fs.rmSync(run, { recursive: true });
  }
});

test(
  "a folder is replaced by a new link, and older ones and leftovers go",
  inFolder((folder) => {
    const path = join(folder, "last");
    const write = (text: string) => (directory: string) => fs.writeFileSync(join(directory, "a"), text);
    replaceDirectoryAtomic(path, write("one"));
    assert.equal(fs.readlinkSync(path), ".last-1");

    // What a process killed while writing, and one killed before its rename, leave.
    fs.mkdirSync(join(folder, ".last-2"));
    fs.symlinkSync(".last-2", join(folder, ".last.link"));
    fs.mkdirSync(join(folder, ".last-1-mine"));
    replaceDirectoryAtomic(path, (directory) => {
      assert.equal(
        fs.readFileSync(join(path, "a"), "utf8"),
        "one",
        "the old one is there while the new one is written",
      );
      write("two")(directory);
    });
    assert.equal(fs.readFileSync(join(path, "a"), "utf8"), "two");
    assert.deepEqual(fs.readdirSync(folder).sort(), [".last-1-mine", ".last-2", "last"]);
  }),
);

test(
  "a folder stays as it was where writing the new one fails",
  inFolder((folder) => {
    const path = join(folder, "last");
    replaceDirectoryAtomic(path, (directory) => fs.writeFileSync(join(directory, "a"), "one"));
    assert.throws(
      () =>
        replaceDirectoryAtomic(path, (directory) => {
          fs.writeFileSync(join(directory, "a"), "half");
          throw new RangeError("not a matter of files");
        }),
      RangeError,
    );
    assert.throws(
      () => replaceDirectoryAtomic(path, (directory) => fs.readFileSync(join(directory, "missing"))),
      new KnackError(`cannot write ${path}: no such file or directory`),
    );
    assert.equal(fs.readFileSync(join(path, "a"), "utf8"), "one");
    assert.deepEqual(fs.readdirSync(folder).sort(), [".last-1", "last"]);
  }),
);

test(
  "a real folder, as in a copied run, is replaced too",
  inFolder((folder) => {
    const path = join(folder, "best");
    fs.mkdirSync(path);
    fs.writeFileSync(join(path, "old"), "");
    replaceDirectoryAtomic(path, (directory) => fs.writeFileSync(join(directory, "new"), ""));
    assert.deepEqual(fs.readdirSync(path), ["new"]);
    assert.deepEqual(fs.readdirSync(folder).sort(), [".best-2", "best"]);
  }),
);

test(
  "a checkpoint is found by its folder, its run and its file",
  inFolder((folder) => {
    const run = RunFolder.create(join(folder, "run"));
    saveCheckpoint(run.lastCheckpoint, checkpointOf(1));
    assert.equal(weightIn(run.path), 1, "the last while there is no best");
    saveCheckpoint(run.bestCheckpoint, checkpointOf(2));
    assert.equal(weightIn(run.path), 2);
    assert.equal(weightIn(run.lastCheckpoint), 1);
    assert.equal(weightIn(join(run.lastCheckpoint, "model.safetensors")), 1);
    const { folder: _, ...read } = loadCheckpoint(run.path);
    assert.deepEqual(read, checkpointOf(2));
  }),
);

test(
  "training state comes back, and is missed where there is none",
  inFolder((folder) => {
    const training = new Map<string, RawTensor>([["momentum", { dtype: "uint8", shape: [], data: Uint8Array.of(9) }]]);
    const state = { epoch: 3, rng: { position: [1, 2] }, note: '"ä\n' };
    const last = join(folder, "last");
    saveCheckpoint(last, checkpointOf(1), { training, state });
    const { folder: _, ...read } = loadResumable(last);
    assert.deepEqual(read, { ...checkpointOf(1), training, state });
    saveCheckpoint(last, checkpointOf(1));
    assert.throws(() => loadResumable(last), inputError(/last holds no training\.safetensors/));
  }),
);

test(
  "what is wrong with a checkpoint is said with the file and the key",
  inFolder((folder) => {
    const load = () => loadCheckpoint(folder);
    assert.throws(() => loadCheckpoint(join(folder, "none")), inputError(/there is no checkpoint .*none: give/));
    assert.throws(load, inputError(/holds no checkpoint/));

    const configFile = join(folder, "config.json");
    const writeConfig = (changes: object) => fs.writeFileSync(configFile, JSON.stringify({ ...config, ...changes }));
    writeConfig({});
    assert.throws(load, inputError(/cannot read .*model\.safetensors: no such file or directory/));
    saveCheckpoint(join(folder, "good"), checkpointOf(1));
    fs.copyFileSync(join(folder, "good", "model.safetensors"), join(folder, "model.safetensors"));
    load();

    const breakages: [object, RegExp][] = [
      [{ architecture: undefined }, /config\.json: architecture: /],
      [{ num_classes: "10" }, /config\.json: num_classes: /],
      [{ mean: [1, 2] }, /config\.json: mean: expected 1 numbers, one per channel/],
      [{ std: [0] }, /config\.json: std\.0: /],
      [{ input_size: [3, 28, 28] }, /config\.json: input_size: expected 1 channels/],
      [{ label_names: ["one"] }, /config\.json: label_names: expected 2 names/],
      [{ model_options: { width: [2] } }, /config\.json: model_options\.width: /],
      [{ knack: { ...config.knack, top1: 91 } }, /config\.json: knack\.top1: /],
    ];
    for (const [changes, message] of breakages) {
      writeConfig(changes);
      assert.throws(load, inputError(message));
    }
    // As other programs leave it.
    writeConfig({ knack: undefined, model_options: undefined, num_features: 512 });
    assert.deepEqual(load().config.model_options, {});

    fs.writeFileSync(configFile, "{");
    assert.throws(load, inputError(/config\.json is not JSON/));
    fs.rmSync(configFile);
    assert.throws(load, inputError(/cannot read .*config\.json: no such file/));
    assert.throws(() => loadCheckpoint(join(folder, "model.safetensors")), inputError(/has no config\.json beside it/));
    writeConfig({});
    fs.truncateSync(join(folder, "model.safetensors"), 20);
    assert.throws(load, inputError(/model\.safetensors cannot be read as safetensors/));
  }),
);

test(
  "a run never goes into a folder that is in use",
  inFolder((folder) => {
    const path = join(folder, "a", "run");
    RunFolder.create(path);
    assert.throws(() => RunFolder.create(path), inputError(/run is not empty: .*--resume .*or choose another --out/));
    fs.mkdirSync(join(folder, "empty"));
    RunFolder.create(join(folder, "empty"));
    fs.writeFileSync(join(folder, "file"), "");
    assert.throws(() => RunFolder.create(join(folder, "file")), inputError(/not a directory; choose another --out/));
    assert.throws(() => RunFolder.create(join(folder, "file", "run")), inputError(/not a directory; choose another/));
    // Refused to root too; Node's recursive mkdir would hang.
    if (fs.existsSync("/proc/self")) {
      assert.throws(() => RunFolder.create("/proc/run"), inputError(/cannot make .*no such file or directory/));
    }
  }),
);

/** What a run leaves that is killed while it writes its first checkpoint. */
function unbegun(path: string): void {
  const run = RunFolder.create(path);
  for (const name of ["recipe.json", "data.json", "environment.json", "lock.json"]) run.writeJson(name, {});
  run.appendMetric({ type: "warning", message: "of the run before" });
  fs.mkdirSync(join(path, "checkpoints", ".last-1"));
  fs.writeFileSync(join(path, ".environment.json.tmp"), "{");
}

test(
  "a run that ended before its first checkpoint is begun anew in its folder",
  inFolder((folder) => {
    const path = join(folder, "run");
    unbegun(path);
    assert.deepEqual(RunFolder.create(path).readMetrics(), []);
    assert.deepEqual(fs.readdirSync(path), ["checkpoints"]);
    assert.deepEqual(fs.readdirSync(join(path, "checkpoints")), []);
  }),
);

/** What must not be taken away, though there is no checkpoint to go on from. */
const KEPT: Record<string, (path: string) => void> = {
  "a file of somebody else": (path) => fs.writeFileSync(join(path, "notes.txt"), ""),
  "another checkpoint": (path) => fs.mkdirSync(join(path, "checkpoints", "best")),
  "a copied checkpoint that was being replaced": (path) => fs.mkdirSync(join(path, "checkpoints", ".last-2")),
  "files of no run": (path) => fs.rmSync(join(path, "recipe.json")),
};

for (const [what, put] of Object.entries(KEPT)) {
  test(
    `a folder stays as it is that holds ${what}`,
    inFolder((folder) => {
      const path = join(folder, "run");
      unbegun(path);
      put(path);
      const before = fs.readdirSync(path, { recursive: true });
      assert.throws(() => RunFolder.create(path), inputError(/run is not empty/));
      assert.deepEqual(fs.readdirSync(path, { recursive: true }), before);
    }),
  );
}

test(
  "a run that has no checkpoint yet and is under way is left alone",
  inFolder((folder) => {
    unbegun(folder);
    using _ = FolderLock.take(folder);
    assert.throws(() => RunFolder.create(folder), inputError(/is being written by process/));
    assert.equal(RunFolder.find(folder).readMetrics().length, 1);
  }),
);

test(
  "only a run with a checkpoint is opened again",
  inFolder((folder) => {
    const path = join(folder, "run");
    assert.throws(() => RunFolder.open(path), inputError(/there is no run folder/));
    const run = RunFolder.create(path);
    assert.throws(() => RunFolder.open(path), inputError(/is no run folder: it has no recipe\.json/));
    run.writeJson("recipe.json", { lr: 0.1 });
    assert.throws(
      () => RunFolder.open(path),
      inputError(/before its first checkpoint: start it again as it was, with --out .*run/),
    );
    saveCheckpoint(run.lastCheckpoint, checkpointOf(1));
    const opened = RunFolder.open(path);
    assert.deepEqual(opened.readJson("recipe.json"), { lr: 0.1 });
    assert.throws(() => opened.readJson("environment.json"), inputError(/cannot read .*environment\.json: no such/));
  }),
);

test(
  "a resumed run drops the metrics that will come again, and half a line",
  inFolder((folder) => {
    const run = RunFolder.create(folder);
    assert.deepEqual(run.readMetrics(), []);
    run.truncateMetrics({ epoch: 0, stepInEpoch: 0 });
    const events = [1, 2, 3, 4].flatMap((step) =>
      step % 2 === 0 ? [stepEvent(step), epochEvent(step / 2)] : [stepEvent(step)],
    );
    for (const event of events) run.appendMetric(event);
    fs.appendFileSync(join(folder, "metrics.jsonl"), '{"type":"step","st');
    assert.deepEqual(run.readMetrics(), events);
    run.truncateMetrics({ epoch: 2, stepInEpoch: 0 });
    assert.deepEqual(run.readMetrics(), events);
    // Killed between an epoch's line and its checkpoint: it will be validated again.
    run.truncateMetrics({ epoch: 1, stepInEpoch: 2 });
    assert.deepEqual(run.readMetrics(), events.slice(0, 5));
    run.truncateMetrics({ epoch: 1, stepInEpoch: 1 });
    assert.deepEqual(run.readMetrics(), events.slice(0, 4));
    run.truncateMetrics({ epoch: 1, stepInEpoch: 0 });
    run.appendMetric(stepEvent(3));
    assert.deepEqual(run.readMetrics(), events.slice(0, 4));
    assert.match(fs.readFileSync(join(folder, "metrics.jsonl"), "utf8"), /\}\n$/);
  }),
);

test(
  "of very many steps as many are read as curves can show, evenly, and all epochs",
  inFolder((folder) => {
    const run = RunFolder.create(folder);
    const lines = Array.from({ length: 10_000 }, (_, i) =>
      i % 100 === 99 ? epochEvent((i + 1) / 100) : stepEvent(i + 1),
    );
    fs.writeFileSync(join(folder, "metrics.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const read = run.readCurves(500);
    const steps = read.flatMap((event) => (event.type === "step" ? [event.step] : []));
    assert.equal(read.length - steps.length, 100);
    assert.ok(steps.length >= 500 && steps.length <= 1000, `${steps.length}`);
    const gaps = steps.slice(1).map((step, i) => step - (steps[i] as number));
    assert.ok(Math.max(...gaps) <= Math.min(...gaps) + 1, `${Math.min(...gaps)} to ${Math.max(...gaps)}`);
    assert.deepEqual(run.readCurves(), run.readMetrics());
    assert.deepEqual(run.readMetrics(), lines);
  }),
);

test(
  "a run's curves are drawn from its metrics",
  inFolder((folder) => {
    const file = writeCurves(folder, [stepEvent(1), stepEvent(2), epochEvent(1), stepEvent(3)]);
    const svg = fs.readFileSync(file, "utf8");
    assert.match(svg, /^<svg /);
    for (const text of ["Loss (cross-entropy, nats)", "Validation accuracy, top-1 (%)", "Learning rate", "epoch"]) {
      assert.ok(svg.includes(text), text);
    }
    assert.ok(!svg.includes("NaN"));
  }),
);

test("a run without --out is named after data, recipe and time", () => {
  const time = new Date(2024, 0, 2, 3, 4, 5);
  assert.equal(
    defaultRunPath("fashion-mnist", "bag-of-tricks", time),
    "runs/fashion-mnist-bag-of-tricks-20240102-030405",
  );
  assert.equal(defaultRunPath("/data/my images/", "./recipes/fast.json", time), "runs/my-images-fast-20240102-030405");
});
