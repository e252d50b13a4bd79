/**
 * Files of all kinds that knack reads, damaged at random by seed: each gives an error for people or a right result, never a crash, a hang
 * or an error without words. Some hundreds here; `npm run test:mutants` takes 10,000. `KNACK_MUTANTS=COUNT` and `KNACK_MUTANT=KIND/SEED`
 * choose.
 */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { before, test } from "node:test";
import { KnackError } from "../../src/base/errors.js";
import { readPhoto } from "../../src/data/photos/photo-locations.js";
import type { PhotoSource } from "../../src/data/photos/photo-set.js";
import { openPhotos } from "../../src/data/sources/open.js";
import { createModel } from "../../src/models/registry.js";
import { stateDict } from "../../src/nn/state-dict.js";
import { loadRecipe } from "../../src/recipe/load-recipe.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { presets } from "../../src/recipe/presets.js";
import { parseRunState, START } from "../../src/run/run-state.js";
import { RunFolder } from "../../src/run/run-folder.js";
import { type Random, randomFor } from "../../src/tensor/random.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import { loadCheckpoint, loadResumable, saveCheckpoint } from "../../src/weights/checkpoint.js";
import { configJson, parseConfig } from "../../src/weights/config.js";
import { readWeights } from "../../src/weights/read-weights.js";
import { encodeSafetensors } from "../../src/weights/safetensors/safetensors.js";
import { changedBytes, changedJson, changedTable } from "../support/mutator.js";
import { runPython } from "../support/oracle.js";
import { scratchFolder } from "../support/scratch-folder.js";

const COUNT = Number(process.env.KNACK_MUTANTS ?? 400);
/** Far more than any of them takes, on a busy machine too. */
const MOST_SECONDS = 20;
const at = scratchFolder("mutants");

interface Kind {
  /** Whole files, of which one is changed. */
  readonly files: () => readonly Buffer[];
  readonly change: (whole: Buffer, random: Random) => Buffer;
  /** Where the changed file is put. */
  readonly name: string;
  /** Reads it, and looks whether what came of it can be right. */
  readonly read: (file: string) => unknown;
}

const BYTES: Readonly<Record<string, number>> = {
  ...{ float64: 8, int64: 8, float32: 4, int32: 4, float16: 2, bfloat16: 2, int16: 2, int8: 1, uint8: 1, bool: 1 },
};

function wholeTensors(tensors: ReadonlyMap<string, RawTensor>): void {
  for (const [name, { dtype, shape, data }] of tensors) {
    const size = shape.reduce((product, each) => product * each, BYTES[dtype] ?? Number.NaN);
    assert.equal(data.length, size, `${name}: ${dtype} [${shape.join(", ")}]`);
    assert.ok(shape.every((each) => Number.isSafeInteger(each) && each >= 0));
  }
}

async function wholePhotos({ train, validation }: PhotoSource): Promise<void> {
  for (const { count, labels, classes, locations } of [train, validation]) {
    assert.equal(labels.length, count);
    assert.ok(labels.every((label) => classes[label] !== undefined));
    assert.equal(new Set(classes).size, classes.length);
    for (let index = 0; index < count; index++) await readPhoto(locations, index);
  }
}

function checkpoint(): Parameters<typeof saveCheckpoint>[1] {
  using model = createModel("resnet20", { classes: 2, inChannels: 1 }, { width: 2 });
  const config = parseConfig(
    {
      architecture: "resnet20",
      num_classes: 2,
      model_args: { width: 2 },
      ...{
        input_size: [1, 32, 32],
        mean: [0.5],
        std: [0.2],
        label_names: ["a", "b"],
        license: "mit",
        intensity: [0, 9],
      },
    },
    "config.json",
  );
  return { weights: stateDict(model), config };
}

const STATE = {
  position: { ...START, best: { epoch: 1, evaluation: { images: 8, metrics: { "top-1": 0.5, loss: 2 } } } },
  counters: { lossScale: 1, goodSteps: 3, skippedSteps: 0 },
  trainImages: 9,
};
const DATA = { source: "/data/list.csv", images: "/data", skipBadRows: true, trainShare: 0.5, description: "…" };

const KINDS: Readonly<Record<string, Kind>> = {
  safetensors: {
    files: () => [readFileSync(at("checkpoint/model.safetensors")), readFileSync(at("torch/kinds2.safetensors"))],
    change: changedBytes,
    name: "x.safetensors",
    read: (file) => wholeTensors(readWeights(file).tensors),
  },
  pth: {
    files: () =>
      ["kinds2", "kinds4", "nested"].flatMap((name) =>
        ["zip", "legacy"].map((form) => readFileSync(at("torch", `${name}.${form}.pth`))),
      ),
    change: changedBytes,
    name: "x.pth",
    read: (file) => wholeTensors(readWeights(file).tensors),
  },
  csv: {
    files: () => [readFileSync(at("set/list.csv")), readFileSync(at("set/flags.csv"))],
    change: changedTable,
    name: "set/x.csv",
    read: (file) => wholePhotos(openPhotos(file)),
  },
  tar: {
    files: () => ["set", "gnu", "pax"].map((name) => readFileSync(at(`${name}.tar`))),
    change: changedBytes,
    name: "x.tar",
    read: (file) => wholePhotos(openPhotos(file)),
  },
  config: {
    files: () => [readFileSync(at("checkpoint/config.json"))],
    change: changedJson,
    name: "changed/config.json",
    read: () => {
      const { config, weights } = loadCheckpoint(at("changed"));
      wholeTensors(weights);
      assert.deepEqual(parseConfig(JSON.parse(JSON.stringify(configJson(config))), "again"), config);
    },
  },
  state: {
    files: () => [Buffer.from(JSON.stringify(STATE))],
    change: changedJson,
    name: "state.json",
    read: (file) => {
      // As a checkpoint's training.safetensors has it.
      const text = readFileSync(file).toString("latin1");
      writeFileSync(at("resumed/training.safetensors"), encodeSafetensors(new Map(), { state: text }));
      const { state } = loadResumable(at("resumed"));
      const { position, counters } = parseRunState(state, "the state");
      assert.ok(position.epoch >= 0 && position.stepInEpoch >= 0 && counters.lossScale > 0);
    },
  },
  recipe: {
    files: () => [Buffer.from(JSON.stringify(presets["bag-of-tricks"])), Buffer.from('{"extends":"fine-tune","lr":1}')],
    change: changedJson,
    name: "recipe-x.json",
    read: async (file) => {
      const recipe = await loadRecipe(file);
      assert.deepEqual(parseRecipe(JSON.parse(JSON.stringify(recipe)), "again"), recipe);
      assert.ok(recipe.epochs > 0 && recipe.batchSize > 0 && recipe.lr > 0);
    },
  },
  run: {
    files: () => [Buffer.from(JSON.stringify(DATA))],
    change: changedJson,
    name: "run/data.json",
    read: () => {
      const { source, trainShare = 1, images = "" } = RunFolder.find(at("run")).readData();
      assert.ok(source === null || typeof source === "string");
      assert.ok(typeof trainShare === "number" && typeof images === "string");
    },
  },
  metrics: {
    files: () => [
      Buffer.from('{"type":"step","step":1,"loss":2}\n{"type":"epoch","epoch":1,"step":2,"top1":0.5}\n{"type"'),
    ],
    change: changedBytes,
    name: "run/metrics.jsonl",
    read: () => assert.ok(Array.isArray(RunFolder.find(at("run")).readMetrics())),
  },
};

before(async () => {
  for (const folder of ["torch", "set", "changed", "resumed", "run"]) mkdirSync(at(folder));
  runPython("write_pytorch.py", at("torch"));
  saveCheckpoint(at("checkpoint"), checkpoint());
  // Without the manifest, which tells of any change.
  copyFileSync(at("checkpoint/model.safetensors"), at("changed/model.safetensors"));
  for (const file of ["model.safetensors", "config.json"]) copyFileSync(at("checkpoint", file), at("resumed", file));
  writeFileSync(at("run/recipe.json"), "{}");
  const names = Array.from({ length: 12 }, (_, i) => `${i < 6 ? "ant" : "bee"}-${i}`);
  for (const name of names) writeFileSync(at("set", `${name}.jpg`), name);
  const row = (name: string) => `${name}.jpg,${name.slice(0, 3)},${name.endsWith("5") ? "val" : "train"}`;
  writeFileSync(at("set/list.csv"), `path,label,split\n${names.map(row).join("\n")}\n`);
  const flags = (name: string) => `${name},${+name.startsWith("ant")},${+name.startsWith("bee")}`;
  writeFileSync(at("set/flags.csv"), `image,ant,bee\n${names.map(flags).join("\n")}\n`);
  for (const [file, form, prefix] of [
    ["set.tar", "ustar", ""],
    ["gnu.tar", "gnu", "deep/".repeat(30)],
    ["pax.tar", "pax", "tief/größer/".repeat(12)],
  ] as const) {
    const members = names.flatMap((name) => [
      [`${prefix}${name}.jpg`, name],
      [`${prefix}${name}.cls`, name.slice(0, 3)],
    ]);
    runPython("make_tar.py", at(file), form, JSON.stringify(members));
  }
});

/** One damaged file: what comes of reading it must be a result that can be right, or an error for people. */
async function mutant(name: string, seed: number): Promise<"read" | "refused"> {
  const { files, change, name: path, read } = KINDS[name] as Kind;
  const random = randomFor(seed, "mutant", name);
  const wholes = files();
  const changed = change(wholes[random.integer(wholes.length)] as Buffer, random);
  const file = at(path);
  rmSync(file, { force: true });
  writeFileSync(file, changed);
  const started = performance.now();
  try {
    await read(file);
    return "read";
  } catch (error) {
    assert.ok(error instanceof KnackError, error as Error);
    assert.match(error.message, /^[^\n]{10,5000}$/);
    assert.doesNotMatch(error.message, /undefined|\[object|at file:|\.js:\d/);
    return "refused";
  } finally {
    const seconds = (performance.now() - started) / 1000;
    assert.ok(seconds < MOST_SECONDS, `took ${seconds.toFixed(0)} s`);
  }
}

const [only, onlySeed] = (process.env.KNACK_MUTANT ?? "").split("/");
for (const name of Object.keys(KINDS)) {
  if (only && only !== name) continue;
  test(`${name}: errors for people, or a right result`, async () => {
    const each = Math.ceil(COUNT / Object.keys(KINDS).length);
    const seeds = onlySeed === undefined ? Array.from({ length: each }, (_, seed) => seed) : [Number(onlySeed)];
    const came = { read: 0, refused: 0 };
    const faults: string[] = [];
    for (const seed of seeds) {
      try {
        came[await mutant(name, seed)]++;
      } catch (error) {
        faults.push(`KNACK_MUTANT=${name}/${seed}: ${(error as Error).stack}`);
      }
    }
    assert.equal(faults.length, 0, `${faults.length} of ${seeds.length}, as:\n${faults.slice(0, 5).join("\n")}`);
    // Both must occur, or the changes are none, or nothing but noise.
    if (seeds.length > 30) assert.ok(came.read > 0 && came.refused > 0, JSON.stringify(came));
  });
}
