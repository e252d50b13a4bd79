import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Command } from "commander";
import { addRecipeOptions, recipeFromOptions, switchedOff } from "../../src/cli/options/recipe-options.js";
import { InputError } from "../../src/base/errors.js";
import { loadRecipe } from "../../src/recipe/load-recipe.js";
import { presets } from "../../src/recipe/presets.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { TRICKS } from "../../src/tricks/index.js";
import { plannedRun } from "../../src/tricks/planned-run.js";
import { RunningTricks } from "../../src/tricks/running-tricks.js";
import { checkAgainstData, type Recipe } from "../../src/recipe/recipe.js";

const { baseline, efficient, "bag-of-tricks": bagOfTricks } = presets;
const { augmentation } = baseline;

/** The error is for a person: an InputError with exactly this line. */
const says = (message: string) => (error: unknown) => {
  assert.ok(error instanceof InputError, String(error));
  assert.equal(error.message, message);
  assert.equal(error.exitCode, 2);
  return true;
};

const parse = (value: unknown) => parseRecipe(value, "my.json");

describe("presets", () => {
  test("are valid as they are", () => {
    for (const [name, preset] of Object.entries(presets)) assert.deepEqual(parseRecipe(preset, name), preset);
  });

  test("hold the paper's figures", () => {
    const { epochs, batchSize, lr, momentum, nesterov, weightDecay, model } = baseline;
    assert.deepEqual(
      { epochs, batchSize, lr, momentum, nesterov, weightDecay, model },
      { epochs: 120, batchSize: 256, lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4, model: "resnet50_v1" },
    );
    assert.equal(efficient.batchSize, 1024);
    assert.deepEqual(efficient.warmup, { epochs: 5 });
    assert.deepEqual(bagOfTricks.labelSmoothing, { epsilon: 0.1, spread: "others" });
    assert.deepEqual(bagOfTricks.distillation, {
      teacher: null,
      temperature: 20,
      loss: "cross-entropy",
      hardWeight: 1,
      softWeight: 1,
    });
    assert.deepEqual([bagOfTricks.epochs, bagOfTricks.model], [200, "resnet50d"]);
  });
});

describe("parseRecipe", () => {
  test("omitted keys come from baseline, or from the preset that it extends", () => {
    assert.deepEqual(parse({ epochs: 3 }), { ...baseline, epochs: 3 });
    assert.deepEqual(parse({ extends: "bag-of-tricks", lr: 0.2 }), { ...bagOfTricks, lr: 0.2 });
  });

  test("omitted settings of a trick come from what it extends, or else from the paper", () => {
    assert.deepEqual(parse({ labelSmoothing: { spread: "all" } }).labelSmoothing, { epsilon: 0.1, spread: "all" });
    const base: Recipe = { ...baseline, labelSmoothing: { epsilon: 0.3, spread: "others" } };
    assert.deepEqual(parseRecipe({ labelSmoothing: { spread: "all" } }, "", base).labelSmoothing, {
      epsilon: 0.3,
      spread: "all",
    });
    assert.deepEqual(parse({ augmentation: { crop: 2 } }).augmentation, { ...augmentation, crop: 2 });
    assert.deepEqual(parse({ mixup: {} }).mixup, { alpha: 0.2, pairing: "permute" });
    assert.equal(parse({ extends: "bag-of-tricks", mixup: false }).mixup, false);
  });

  test("a schedule keeps the settings of its own type only", () => {
    assert.deepEqual(parse({ schedule: { milestones: [4] } }).schedule, { type: "step", milestones: [4], factor: 0.1 });
    assert.deepEqual(parse({ schedule: { type: "cosine" } }).schedule, { type: "cosine" });
    assert.deepEqual(parse({ extends: "bag-of-tricks", schedule: { type: "step" } }).schedule, baseline.schedule);
  });

  test("fp16 brings a dynamic loss scale unless one is given", () => {
    assert.equal(parse({ precision: "fp16" }).lossScale, "dynamic");
    assert.equal(parse({ precision: "fp16", lossScale: 128 }).lossScale, 128);
    assert.equal(parse({ precision: "bf16" }).lossScale, "none");
    assert.equal(parseRecipe({ precision: "fp32" }, "", parse({ precision: "fp16" })).lossScale, "none");
  });

  const wrong: [unknown, string][] = [
    [[], "a recipe must be an object, not []"],
    [null, "a recipe must be an object, not null"],
    [{ mixpu: {} }, 'unknown key "mixpu"; did you mean "mixup"?'],
    [{ toString: 1 }, `unknown key "toString" (there are: ${Object.keys(baseline).join(", ")})`],
    [{ mixup: { aplha: 1 } }, 'mixup: unknown key "aplha"; did you mean "alpha"?'],
    [{ warmup: { steps: 5 } }, 'warmup: unknown key "steps" (there are: epochs)'],
    [
      { extends: "effcient" },
      'extends: must be baseline, efficient, bag-of-tricks or fine-tune, not "effcient"; did you mean "efficient"?',
    ],
    [{ name: "" }, 'name: must be a name, not ""'],
    [{ model: 50 }, "model: must be a name, not 50"],
    [{ modelOptions: { width: [4] } }, "modelOptions.width: must be a number, a text, true or false, not [4]"],
    [{ epochs: 0 }, "epochs: must be a whole number above 0, not 0"],
    [{ epochs: 1.5 }, "epochs: must be a whole number above 0, not 1.5"],
    [{ epochs: "12" }, 'epochs: must be a whole number above 0, not "12"'],
    [{ batchSize: -1 }, "batchSize: must be a whole number above 0, not -1"],
    [{ accumulation: 3 }, "accumulation: must divide the batch size, and 256 / 3 is not whole"],
    [{ lr: -0.1 }, "lr: must be a number above 0, not -0.1"],
    [{ lr: Number.NaN }, "lr: must be a number above 0, not NaN"],
    [{ lr: null }, "lr: must be a number above 0, not null"],
    [{ momentum: 1 }, "momentum: must be a number from 0 up to, but not including, 1, not 1"],
    [{ nesterov: 1 }, "nesterov: must be true or false, not 1"],
    [{ weightDecay: -1 }, "weightDecay: must be 0 or a number above it, not -1"],
    [{ schedule: { type: "poly" } }, 'schedule.type: must be step or cosine, not "poly"'],
    [{ schedule: "cosine" }, 'schedule: must be an object with type step or cosine, not "cosine"'],
    [{ schedule: { milestones: 30 } }, "schedule.milestones: must be a list of epochs, not 30"],
    [{ schedule: { milestones: ["a"] } }, 'schedule.milestones.0: must be a number above 0, not "a"'],
    [{ schedule: { milestones: [30, 30] } }, "schedule.milestones: must increase, and 30, 30 do not"],
    [
      { warmup: {}, schedule: { milestones: [3] } },
      "schedule.milestones: must come after the warmup, 5 epochs, and the first is 3",
    ],
    [
      { schedule: { factor: 10 } },
      "schedule.factor: must be a number between 0 and 1, which the lr is multiplied by, not 10",
    ],
    [{ linearScaling: true }, "linearScaling: must be false or an object with referenceBatch, not true"],
    [{ warmup: { epochs: 0 } }, "warmup.epochs: must be a number above 0, not 0"],
    [
      { warmup: { epochs: 5 }, epochs: 5 },
      "warmup.epochs: must be shorter than the run, which has 5 epochs, not 5; give a shorter --warmup or --no-warmup",
    ],
    [{ zeroGamma: {} }, "zeroGamma: must be true or false, not {}"],
    [{ noBiasDecay: "yes" }, 'noBiasDecay: must be true or false, not "yes"'],
    [{ precision: "fp8" }, 'precision: must be fp32, bf16 or fp16, not "fp8"'],
    [{ lossScale: 0 }, "lossScale: must be none, dynamic or a number above 0, not 0"],
    [
      { labelSmoothing: { epsilon: 1 } },
      "labelSmoothing.epsilon: must be a number from 0 up to, but not including, 1, not 1",
    ],
    [
      { labelSmoothing: { epsilon: -0.1 } },
      "labelSmoothing.epsilon: must be a number from 0 up to, but not including, 1, not -0.1",
    ],
    [{ labelSmoothing: { spread: "some" } }, 'labelSmoothing.spread: must be others or all, not "some"'],
    [{ distillation: { temperature: 0 } }, "distillation.temperature: must be a number above 0, not 0"],
    [{ distillation: { teacher: 5 } }, "distillation.teacher: must be a checkpoint's path or null, not 5"],
    [{ distillation: { loss: "mse" } }, 'distillation.loss: must be cross-entropy or kl, not "mse"'],
    [{ distillation: { hardWeight: -1 } }, "distillation.hardWeight: must be 0 or a number above it, not -1"],
    [{ mixup: { alpha: 0 } }, "mixup.alpha: must be a number above 0, not 0"],
    [{ mixup: { pairing: "flip" } }, 'mixup.pairing: must be permute, reverse or roll, not "flip"'],
    [{ mixup: 0.2 }, "mixup: must be false or an object with alpha, pairing, not 0.2"],
    [{ ema: { decay: 1 } }, "ema.decay: must be a number between 0 and 1, not 1"],
    [
      { augmentation: false },
      "augmentation: must be an object with crop, flip, scale, ratio, jitter, lighting, not false",
    ],
    [{ augmentation: { crop: -1 } }, "augmentation.crop: must be 0 or a whole number above it, not -1"],
    [{ seed: 0.5 }, "seed: must be 0 or a whole number above it, not 0.5"],
    [{ epochs: 0, lr: 0 }, "epochs: must be a whole number above 0, not 0; lr: must be a number above 0, not 0"],
  ];
  for (const [value, message] of wrong) {
    test(`refuses ${JSON.stringify(value)}`, () => assert.throws(() => parse(value), says(`my.json: ${message}`)));
  }
});

test("a batch larger than the data names both keys and the size", () => {
  checkAgainstData(baseline, 256);
  assert.throws(
    () => checkAgainstData(baseline, 255),
    says("batchSize: 256 is more than the 255 training images; give a --batch-size of at most 255"),
  );
});

test("distillation needs a teacher that is there", () => {
  const check = (recipe: Recipe) => new RunningTricks(TRICKS, plannedRun(recipe, 10)).checked();
  check(baseline);
  check(parse({ distillation: { teacher: tmpdir() } }));
  assert.throws(
    () => check(bagOfTricks),
    says("distillation.teacher: the recipe names no teacher; give --teacher CKPT or --no-distillation"),
  );
  assert.throws(
    () => check(parse({ distillation: { teacher: "no/such" } })),
    says("distillation.teacher: there is no checkpoint at no/such; give --teacher CKPT or --no-distillation"),
  );
});

describe("loadRecipe", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "knack-recipe-"));
  });
  after(() => rm(folder, { recursive: true }));

  async function file(name: string, content: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, content);
    return path;
  }

  test("a preset by its name", async () => assert.deepEqual(await loadRecipe("efficient"), efficient));

  test("a JSON file, called after the file", async () => {
    const path = await file("mine.json", '{ "extends": "efficient", "epochs": 7 }');
    assert.deepEqual(await loadRecipe(path), { ...efficient, name: "mine", epochs: 7 });
  });

  test("a TypeScript file, with types and a name of its own", async () => {
    const path = await file(
      "mine.ts",
      `const epochs: number = 3 * 4;\nexport default { name: "own", epochs, mixup: { alpha: 0.4 } } satisfies object;`,
    );
    assert.deepEqual(await loadRecipe(path), {
      ...baseline,
      name: "own",
      epochs: 12,
      mixup: { alpha: 0.4, pairing: "permute" },
    });
  });

  test("JavaScript files", async () => {
    const module = await file("mine.mjs", "export default { epochs: 8 };");
    assert.equal((await loadRecipe(module)).epochs, 8);
    const script = await file("mine.js", "export default { epochs: 9 };");
    assert.equal((await loadRecipe(script)).epochs, 9);
  });

  test("no such preset", () =>
    assert.rejects(
      loadRecipe("bagoftricks"),
      says(
        '--recipe: there is no preset "bagoftricks"; did you mean "bag-of-tricks"? (presets: baseline, efficient, bag-of-tricks, fine-tune; or give a .json, .ts or .js file, or a run\'s folder)',
      ),
    ));

  test("no such file, or a folder", async () => {
    for (const name of ["none.json", "none.ts"]) {
      await assert.rejects(loadRecipe(join(folder, name)), says(`${join(folder, name)}: there is no such file`));
    }
    const nested = await mkdtemp(join(folder, "folder-"));
    await assert.rejects(loadRecipe(`${nested}/../.json`), InputError);
  });

  test("bad JSON says the line", async () => {
    for (const [content, line] of [
      ['{\n  "epochs": 3,\n}', 3],
      ['{\n  "epochs": ,\n  "lr": 1\n}', 2],
      ['{\n  "epochs": 3\n  "lr": 1\n}', 3],
      ['{\n  "epochs": nul\n}', 3],
      ['{\n  "lr": [1,\n 2, }\n}', 3],
      ['{\n  "epochs": 3', 2],
      ["", 1],
      ["epochs\n", 1],
      ["\u001b[2J{}", 1],
    ] as const) {
      const path = await file("bad.json", content);
      await assert.rejects(loadRecipe(path), (error) => {
        assert.ok(error instanceof InputError);
        assert.ok(error.message.startsWith(`${path}, line ${line}: not valid JSON: `), error.message);
        assert.doesNotMatch(error.message, /\p{Cc}|, "/u); // one line, and no half of a citation
        return true;
      });
    }
  });

  test("a wrong value names the file and the key", async () => {
    const path = await file("wrong.json", '{ "epochs": 0 }');
    await assert.rejects(loadRecipe(path), says(`${path}: epochs: must be a whole number above 0, not 0`));
    const list = await file("list.json", "[]");
    await assert.rejects(loadRecipe(list), says(`${list}: a recipe must be an object, not []`));
  });

  test("a module that throws, does not parse, or has no default export", async () => {
    const throws = await file("throws.ts", 'throw new Error("out of\\nideas");');
    await assert.rejects(loadRecipe(throws), says(`${throws}: cannot be loaded: out of`));
    const broken = await file("broken.ts", "export default {");
    await assert.rejects(loadRecipe(broken), (error) => error instanceof InputError && !error.message.includes("\n"));
    for (const name of ["no-default.ts", "no-default.mjs"]) {
      const path = await file(name, "export const recipe = {};");
      await assert.rejects(loadRecipe(path), says(`${path}: has no default export; export default the recipe`));
    }
  });
});

describe("recipe options", () => {
  function options(recipe: Recipe, line: string): Recipe {
    const command = addRecipeOptions(new Command()).exitOverride();
    command.parse(line.split(" ").filter(Boolean), { from: "user" });
    return recipeFromOptions(recipe, command.opts());
  }

  test("none leave the recipe as it is", () => {
    for (const preset of Object.values(presets)) assert.deepEqual(options(preset, ""), preset);
  });

  const teacher = { teacher: "t", temperature: 20, loss: "cross-entropy", hardWeight: 1, softWeight: 1 } as const;
  const cases: [Recipe, string, Partial<Recipe>][] = [
    [baseline, "--model resnet18 --option width=32", { model: "resnet18", modelOptions: { width: 32 } }],
    [baseline, "--option width=32 --option width=16", { modelOptions: { width: 16 } }],
    [bagOfTricks, "--epochs 100 --batch-size 64", { epochs: 100, batchSize: 64, warmup: { epochs: 2.5 } }],
    [
      baseline,
      "--epochs 3 --batch-size 64 --accumulation 4",
      {
        epochs: 3,
        batchSize: 64,
        accumulation: 4,
        schedule: { type: "step", milestones: [0.75, 1.5, 2.25], factor: 0.1 },
      },
    ],
    [
      efficient,
      "--epochs 60 --warmup 5 --step-decay 30,60",
      {
        epochs: 60,
        warmup: { epochs: 5 },
        schedule: { type: "step", milestones: [30, 60], factor: 0.1 },
      },
    ],
    [presets["fine-tune"], "--epochs 1", { epochs: 1, warmup: { epochs: 0.0625 } }],
    [baseline, "--lr 1e-2 --momentum 0 --weight-decay 0", { lr: 0.01, momentum: 0, weightDecay: 0 }],
    [baseline, "--precision fp16", { precision: "fp16", lossScale: "dynamic" }],
    [baseline, "--precision fp16 --loss-scale 128", { precision: "fp16", lossScale: 128 }],
    [baseline, "--seed 7", { seed: 7 }],
    [baseline, "--linear-scaling", { linearScaling: { referenceBatch: 256 } }],
    [efficient, "--no-linear-scaling", { linearScaling: false }],
    [baseline, "--warmup 2.5", { warmup: { epochs: 2.5 } }],
    [efficient, "--no-warmup", { warmup: false }],
    [baseline, "--zero-gamma", { zeroGamma: true }],
    [efficient, "--no-zero-gamma", { zeroGamma: false }],
    [baseline, "--no-bias-decay", { noBiasDecay: true }],
    [efficient, "--bias-decay", { noBiasDecay: false }],
    [baseline, "--cosine", { schedule: { type: "cosine" } }],
    [bagOfTricks, "--no-cosine", { schedule: baseline.schedule }],
    [bagOfTricks, "--step-decay", { schedule: baseline.schedule }],
    [bagOfTricks, "--step-decay 8,14.5", { schedule: { type: "step", milestones: [8, 14.5], factor: 0.1 } }],
    [baseline, "--label-smoothing 0.2", { labelSmoothing: { epsilon: 0.2, spread: "others" } }],
    [bagOfTricks, "--smoothing-spread all", { labelSmoothing: { epsilon: 0.1, spread: "all" } }],
    [bagOfTricks, "--no-label-smoothing", { labelSmoothing: false }],
    [baseline, "--distillation", { distillation: { ...teacher, teacher: null } }],
    [baseline, "--teacher t", { distillation: teacher }],
    [
      bagOfTricks,
      "--teacher t --temperature 4 --distillation-loss kl",
      { distillation: { ...teacher, temperature: 4, loss: "kl" } },
    ],
    [bagOfTricks, "--no-distillation", { distillation: false }],
    [baseline, "--mixup 0.4", { mixup: { alpha: 0.4, pairing: "permute" } }],
    [bagOfTricks, "--mixup-pairing roll", { mixup: { alpha: 0.2, pairing: "roll" } }],
    [bagOfTricks, "--no-mixup", { mixup: false }],
    [baseline, "--ema 0.99", { ema: { decay: 0.99 } }],
    [{ ...baseline, ema: { decay: 0.9 } }, "--no-ema", { ema: false }],
    [baseline, "--crop 0 --no-flip", { augmentation: { ...augmentation, crop: 0, flip: false } }],
    [
      { ...baseline, augmentation: { ...augmentation, flip: false } },
      "--flip --scale 0.5,1 --jitter 0 --lighting 0",
      { augmentation: { ...augmentation, scale: [0.5, 1], jitter: 0, lighting: 0 } },
    ],
    [
      baseline,
      "--init w.pth --freeze-epochs 1 --backbone-lr 0.1 --early-stop 5 --class-balance weights",
      {
        init: { weights: "w.pth" },
        freezeEpochs: 1,
        backboneLr: 0.1,
        earlyStop: { patience: 5 },
        classBalance: "weights",
      },
    ],
    [
      baseline,
      "--image-size 160 --mean 0.5,0.5,0.5 --std 1,1,1 --on-bad-image fail",
      { imageSize: 160, normalize: { mean: [0.5, 0.5, 0.5], std: [1, 1, 1] }, onBadImage: "fail" },
    ],
  ];
  for (const [recipe, line, changes] of cases) {
    test(`${recipe.name} ${line}`, () => assert.deepEqual(options(recipe, line), { ...recipe, ...changes }));
  }

  test("which tricks they switch off: by a switch or a choice, not by settings", () => {
    const off = (line: string) => {
      const command = addRecipeOptions(new Command()).exitOverride();
      command.parse(line.split(" ").filter(Boolean), { from: "user" });
      return [...switchedOff(command.opts())];
    };
    assert.deepEqual(off("--no-warmup --no-mixup --no-cosine --bias-decay --precision fp32"), [
      ...["warmup", "no-bias-decay", "low-precision", "cosine", "mixup"],
    ]);
    assert.deepEqual(off("--step-decay 3,6 --loss-scale none --mixup-pairing roll --warmup 2 --precision bf16"), []);
    assert.deepEqual(off("--no-linear-scaling --no-zero-gamma --no-label-smoothing --no-distillation --no-ema"), [
      ...["linear-scaling", "zero-gamma", "label-smoothing", "distillation", "ema"],
    ]);
  });

  const wrong: [string, string][] = [
    ["--epochs 0", "command line: --epochs: must be a whole number above 0, not 0"],
    ["--epochs ten", 'command line: --epochs: must be a whole number above 0, not "ten"'],
    ["--batch-size 1e99", "command line: --batch-size: must be a whole number above 0, not 1e+99"],
    ["--lr -1", "command line: --lr: must be a number above 0, not -1"],
    ["--warmup 0", "command line: --warmup: must be a number above 0, not 0"],
    [
      "--label-smoothing 1",
      "command line: --label-smoothing: must be a number from 0 up to, but not including, 1, not 1",
    ],
    ["--label-smoothing 0.1 --smoothing-spread x", 'command line: --smoothing-spread: must be others or all, not "x"'],
    ["--mixup 0", "command line: --mixup: must be a number above 0, not 0"],
    ["--distillation --temperature 0", "command line: --temperature: must be a number above 0, not 0"],
    ["--step-decay 3,x", 'command line: --step-decay: must be a number above 0, not "x"'],
    ["--step-decay 30,20", "command line: --step-decay: must increase, and 30, 20 do not"],
    ["--accumulation 3", "command line: --accumulation: must divide the batch size, and 256 / 3 is not whole"],
    ["--option width", '--option: must be KEY=VALUE, such as width=32, not "width"'],
    [
      "--scale 1,0.5",
      "command line: --scale: must be the smallest and the largest share of the picture, 0 < min <= max <= 1, not [1,0.5]",
    ],
    [
      "--image-size 3",
      'command line: --image-size: must be null, pixels from 8 to 4096, or height and width as 192x320 by option, [192, 320] in a recipe, not "3"',
    ],
    ["--mean 1,2,3", "command line: --std: must be a list of numbers, one per channel, not missing"],
    [
      "--init w --zero-gamma",
      "command line: --zero-gamma: would erase what the gammas of the weights in init have learned; give --no-zero-gamma",
    ],
    ["--crop 1.5", "command line: --crop: must be 0 or a whole number above it, not 1.5"],
    ["--cosine --step-decay", "--cosine and --step-decay: a run has one of the two; drop the other"],
    ["--temperature 4", "--temperature: has no effect with --distillation off; switch it on or drop --temperature"],
    [
      "--no-distillation --teacher t",
      "--teacher: has no effect with --distillation off; switch it on or drop --teacher",
    ],
    ["--mixup-pairing roll", "--mixup-pairing: has no effect with --mixup off; switch it on or drop --mixup-pairing"],
    [
      "--smoothing-spread all",
      "--smoothing-spread: has no effect with --label-smoothing off; switch it on or drop --smoothing-spread",
    ],
  ];
  for (const [line, message] of wrong) {
    test(`refuses ${line}`, () => assert.throws(() => options(baseline, line), says(message)));
  }
});
