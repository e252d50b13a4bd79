/** `knack train PHOTOS` and nothing else: the recipe is chosen, told, kept, and its end says how well it does. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { before, describe, test } from "node:test";
import { createModel } from "../../src/models/registry.js";
import { stateDict } from "../../src/nn/state-dict.js";
import { presets } from "../../src/recipe/presets.js";
import { saveCheckpoint } from "../../src/weights/checkpoint.js";
import { parseConfig } from "../../src/weights/config.js";
import { fill } from "../support/engine-passes.js";
import { startKnack } from "../support/command.js";
import { scratchFolder } from "../support/scratch-folder.js";
import { writeTinyData } from "../support/tiny-data.js";
import { numbered, writePhotos } from "../support/tiny-photos.js";

const at = scratchFolder("first-run");
/** No weights of whoever runs the tests are at hand. */
const knackIn = (cwd: string, args: readonly string[]) => startKnack(args, { cwd, env: { HF_HOME: at("none") } }).ended;
const knack = (...args: readonly string[]) => knackIn(at(), args);
/** What a person need not say, and a test has to be quick. */
const QUICK = ["--recipe", "auto", "--epochs", "1", "--image-size", "96"];

function recipeOf(run: string) {
  return JSON.parse(readFileSync(at(run, "recipe.json"), "utf8"));
}

function writeWeights(folder: string, names: readonly string[], size = 64): void {
  using model = createModel("resnet18", { classes: names.length, inChannels: 3 }, { width: 8 });
  fill(model, 1);
  const config = {
    architecture: "resnet18",
    num_classes: names.length,
    input_size: [3, size, size],
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
    label_names: names,
    model_options: { width: 8 },
  };
  saveCheckpoint(folder, { weights: stateDict(model), config: parseConfig(config, "the test") });
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `class ${index}`);

before(async () => {
  await writePhotos(at("photos"), [...numbered("elm", 10), ...numbered("oak", 40)]);
  writeTinyData(at("small"));
});

test("without weights: what is chosen and why in at most ten lines, then how well it does and what comes next", async () => {
  const { code, stdout, stderr } = await knack("train", "photos", ...QUICK, "--out", "run");
  assert.equal(code, 0, stderr);
  const [before = ""] = stdout.split("\nrun: ");
  const told = before.split("\n").filter((line) => /^(recipe:)? /.test(line));
  assert.ok(told.length <= 10, stdout);
  for (const what of ["data", "weights", "model", "precision", "epochs", "balance", "expected"]) {
    assert.ok(
      told.some((line) => line.startsWith(`  ${what}: `)),
      `${what} in ${stdout}`,
    );
  }
  assert.match(stdout, /data: 40 training and 10 validation photographs of 2 classes, 8 \(elm\) to 32 \(oak\) each/);
  assert.match(stdout, /weights: none at hand/);
  assert.match(stdout, /^the best weights \(epoch 1\): top-1 \S+ %, macro F1 \S+ %; worst class: \w+, F1 \S+ %$/m);
  assert.match(stdout, /^labels that are probably wrong: \d+ of 10 that it has not seen/m);
  assert.match(stdout, /^go on with: knack predict run PICTURE/m);
  const { name, model, classBalance, select, init, epochs, imageSize } = recipeOf("run");
  assert.deepEqual([name, model, init, epochs, imageSize], ["auto", "resnet18d", false, 1, 96]);
  const preview = await knack("data", "preview", "photos", "--image-size", "96", "--out", "preview.png");
  assert.match(preview.stdout, /model: resnet18d at 96 pixels.*\npreview: preview.png, of recipe auto$/ms);
  // Four times as many oaks.
  assert.deepEqual([classBalance, select], ["weights", "macro-f1"]);
});

test("weights that lie beside the photographs are taken, those of most classes", async () => {
  mkdirSync(at("elsewhere", "work"), { recursive: true });
  symlinkSync(at("photos"), at("elsewhere", "photos"));
  writeWeights(at("elsewhere", "many"), names(12));
  writeWeights(at("elsewhere", "few"), names(11));
  // Of no use: too few classes, too small pictures, the very classes of the photographs.
  writeWeights(at("elsewhere", "two"), names(2));
  writeWeights(at("elsewhere", "tiny"), names(20), 32);
  writeWeights(at("elsewhere", "own"), [...names(20), "elm", "oak"]);
  const command = ["train", "../photos", ...QUICK, "--out", "run"];
  const { code, stdout, stderr } = await knackIn(at("elsewhere", "work"), command);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /weights: \S+many, which tells 12 classes apart/);
  const { model, modelOptions, init } = recipeOf("elsewhere/work/run");
  assert.deepEqual([model, modelOptions, init.weights], ["resnet18", { width: 8 }, at("elsewhere", "many")]);
});

describe("what it is not for", () => {
  for (const [args, says] of [
    [["train", "photos", "--budget", "soon"], /--budget: must be a time such as .* not "soon"/],
    [["train", "photos", "--recipe", "baseline", "--budget", "5m"], /--budget: it is for --recipe auto/],
    [["train", "photos", "--epochs", "2", "--budget", "5m"], /--budget: it is for --recipe auto/],
    [["train", "small", "--recipe", "auto"], /--recipe auto: small holds small images/],
    [["train", "photos", "--recipe", "auto", "--lr", "fast"], /--lr/],
    [["train", "photos", "--init", "nowhere"], /--init.* nothing at nowhere/],
    [["train", "nowhere"], /nowhere/],
    [["schedule", "--recipe", "auto", "--steps-per-epoch", "5"], /auto/],
  ] as const) {
    test(`knack ${args.join(" ")}`, async () => {
      const { code, stderr } = await knack(...args);
      assert.equal(code, 2);
      assert.match(stderr, says);
    });
  }
});

test("whoever says how long and which model has another recipe in mind: the paper's baseline", async () => {
  const options = [
    "--model",
    "resnet20",
    "--option",
    "width=4",
    "--image-size",
    "32",
    "--epochs",
    "1",
    "--batch-size",
    "8",
  ];
  const { code, stderr } = await knack("train", "photos", ...options, "--out", "decided");
  assert.equal(code, 0, stderr);
  assert.deepEqual([recipeOf("decided").name, recipeOf("decided").lr], ["baseline", presets.baseline.lr]);
});
