/** Inputs that are not square and pictures seen as a whole, from the option to the ONNX file: one run, and all that is made of it. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import { recipeFromOptions } from "../../src/cli/options/recipe-options.js";
import { imageSides } from "../../src/cli/options/image-size.js";
import { openData } from "../../src/data/sources/open.js";
import { loadClassifier } from "../../src/inference/classifier.js";
import { describeOnnx } from "../../src/inference/onnx-description.js";
import { exportCheckpoint } from "../../src/onnx/export-checkpoint.js";
import type { RecipeInput } from "../../src/recipe/recipe.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { presets } from "../../src/recipe/presets.js";
import { evaluationData } from "../../src/run/evaluation-data.js";
import { evaluateCheckpoint } from "../../src/run/evaluate-checkpoint.js";
import type { EpochEvent, TrainEvent } from "../../src/run/events.js";
import { train } from "../../src/run/train.js";
import { trainingData } from "../../src/run/training-data.js";
import { forChannels } from "../../src/settings/channels.js";
import { loadCheckpoint } from "../../src/weights/checkpoint.js";
import { configJson, lookOf, parseConfig } from "../../src/weights/config.js";
import { inputError } from "../support/input-error.js";
import { scratchFolder } from "../support/scratch-folder.js";

const at = scratchFolder("as-they-are");
const RECIPE: RecipeInput = {
  ...{ model: "mobilenetv1_025", epochs: 1, batchSize: 4, lr: 0.05, schedule: { type: "cosine" } },
  ...{ imageSize: [24, 40], resize: "pad", onBadImage: "fail" },
};

/** Wide pictures; the class is which end is bright, which a centre crop would cut off. */
async function writePhotos(folder: string): Promise<string> {
  for (let i = 0; i < 24; i++) {
    const name = join(folder, ["left", "right"][i % 2] as string, `${i}.png`);
    mkdirSync(dirname(name), { recursive: true });
    const [width, height] = [60 + i, 20];
    const lit = Uint8Array.from({ length: width * height }, (_, at) =>
      (i % 2 === 0 ? at % width < 10 : at % width >= width - 10) ? 250 : 40 + i,
    );
    await sharp(lit, { raw: { width, height, channels: 1 } }).toFile(name);
  }
  return folder;
}

describe("a run on wide pictures", () => {
  const events: TrainEvent[] = [];
  let [photos, run] = ["", ""];
  before(async () => {
    photos = await writePhotos(at("photos"));
    run = at("run");
    for await (const event of train({ data: photos, recipe: RECIPE, out: run, workers: 0, reproducible: true }))
      events.push(event);
  });

  test("says what becomes of them, and keeps it where timm keeps its own", () => {
    const audit = events.find((event) => event.type === "audit");
    assert.match(audit?.data ?? "", /; padded to 24 pixels high and 40 wide$/);
    const { config } = loadCheckpoint(run);
    assert.deepEqual([config.input_size, config.crop_mode, config.crop_pct], [[3, 24, 40], "pad", 1]);
    const json = configJson(config) as { pretrained_cfg: object };
    assert.deepEqual(
      Object.entries(json.pretrained_cfg).filter(([key]) => key === "crop_mode"),
      [["crop_mode", "pad"]],
    );
    assert.deepEqual(parseConfig(json, "config.json"), config);
    assert.equal(lookOf({ ...config, crop_mode: undefined }).resize, "crop");
  });

  test("is measured again as it was", async () => {
    const epoch = events.find((event): event is EpochEvent => event.type === "epoch");
    const { metrics } = await evaluateCheckpoint(run, [evaluationData(run, undefined, {}).source.validation]);
    assert.deepEqual(metrics, epoch?.metrics);
  });

  test("becomes an ONNX file that sees the same pixels, also where it takes bytes", async () => {
    const pictures = [join(photos, "left/0.png"), join(photos, "right/23.png")];
    using classifier = loadClassifier(run);
    for (const input of ["float32", "uint8"] as const) {
      const file = at(`${input}.onnx`);
      const { verification } = await exportCheckpoint(run, file, { input, verifyOn: pictures });
      assert.equal(verification?.passed, true);
      assert.equal(describeOnnx(file).crop_mode, "pad");
      using exported = loadClassifier(file);
      for (const picture of pictures) {
        const [ours, theirs] = [await classifier.classify(picture), await exported.classify(picture)];
        for (const [i, { probability }] of ours.entries()) {
          assert.ok(Math.abs(probability - (theirs[i]?.probability ?? Number.NaN)) < 1e-5);
        }
      }
    }
  });

  test("hands its size and form to what starts from it, and one of its own has its own crop", () => {
    const { config } = loadCheckpoint(run);
    const { train: wide } = trainingData(openData(photos), recipe({}), config);
    assert.ok("evaluation" in wide);
    assert.deepEqual([wide.height, wide.width, lookFrom(wide)], [24, 40, ["pad", 1]]);
    const other = trainingData(openData(photos), recipe({ resize: "crop", imageSize: 32 }), config).train;
    assert.deepEqual([other.height, other.width, lookFrom(other)], [32, 32, ["crop", 0.875]]);
  });

  for (const [channels, how] of [
    [1, "summed"],
    [4, "taken again in turn, times 3/4"],
  ] as const) {
    test(`becomes one of ${channels} channels, by both engines and ONNX Runtime`, async () => {
      const out = at(`channels-${channels}`);
      const changed: RecipeInput = { ...RECIPE, channels, init: { weights: run } };
      const seen: TrainEvent[] = [];
      const asked = { data: photos, recipe: changed, out, workers: 0, reproducible: true };
      for await (const event of train(asked)) seen.push(event);
      const init = seen.find((event) => event.type === "audit")?.tricks.find(({ trick }) => trick === "init");
      assert.ok(init?.detail.includes(`conv_stem.weight made for ${channels} of 3 channels: its weights are ${how}`));
      const { config } = loadCheckpoint(out);
      assert.deepEqual([config.in_chans, config.input_size], [channels, [channels, 24, 40]]);
      assert.deepEqual(config.mean, forChannels([0.5, 0.5, 0.5], channels));
      const epoch = seen.find((event): event is EpochEvent => event.type === "epoch");
      const { metrics } = await evaluateCheckpoint(out, [evaluationData(out, undefined, {}).source.validation]);
      assert.deepEqual(metrics, epoch?.metrics);
      const { verification } = await exportCheckpoint(out, at(`${channels}.onnx`), {
        verifyOn: [join(photos, "left/0.png")],
      });
      assert.equal(verification?.passed, true);
      using exported = loadClassifier(at(`${channels}.onnx`));
      using classifier = loadClassifier(out);
      const [ours, theirs] = [classifier, exported].map((each) => each.classify(join(photos, "right/23.png")));
      const [a, b] = [await ours, await theirs].map((each) => each?.[0]);
      assert.equal(a?.index, b?.index);
      assert.ok(Math.abs((a?.probability ?? 0) - (b?.probability ?? 1)) < 1e-5);
    });
  }

  test("weights for channels of which nobody can say which are which are refused, and a run's stay as many", async () => {
    const from4 = loadCheckpoint(at("channels-4")).config;
    const other = () => trainingData(openData(photos), recipe({ channels: 3 }), from4);
    assert.throws(other, inputError(/--init, --resume\) is for images of 4 channels, these have 3, and which/));
    const goesOn = async () => {
      const wanted = { ...RECIPE, epochs: 2, channels: 1 };
      for await (const _ of train({ resume: run, data: photos, recipe: wanted, allowChanges: true })) assert.fail("on");
    };
    await assert.rejects(goesOn, inputError(/channels was null and is 1: that cannot change in a run/));
  });

  test("does not go on otherwise unseen", async () => {
    const otherwise = { ...RECIPE, epochs: 2, resize: "squash" } satisfies RecipeInput;
    const goesOn = async () => {
      for await (const _ of train({ resume: run, data: photos, recipe: otherwise })) assert.fail("goes on");
    };
    await assert.rejects(goesOn, inputError(/resize was pad and is squash.*--allow-changes/));
  });
});

test("height and width mixed up is said", async () => {
  const photos = await writePhotos(at("turned"));
  const recipe = { ...RECIPE, imageSize: [40, 24] } satisfies RecipeInput;
  for await (const event of train({ data: photos, recipe, out: at("turned-run"), workers: 0 })) {
    if (event.type !== "warning") continue;
    assert.match(event.message, /are wider than high, and --image-size 40x24 is higher.*: 40 pixels high and 24 wide$/);
    return;
  }
  assert.fail("nothing was said");
});

test("a size is height x width; anything else is refused", () => {
  assert.deepEqual(recipeFromOptions(presets.baseline, { imageSize: [192, 320] }).imageSize, [192, 320]);
  assert.deepEqual(imageSides("192x320"), [192, 320]);
  assert.deepEqual(imageSides(" 64 X 64 "), [64, 64]);
  for (const text of ["192*320", "192,320", "0x64", "64x5000", "64x", "x64", "1e2", "64x64x3", ""]) {
    assert.throws(
      () => imageSides(text),
      inputError(/--image-size: must be pixels from 8 to 4096, or height and width/),
    );
    assert.throws(
      () => recipeFromOptions(presets.baseline, { imageSize: text }),
      inputError(/--image-size: must be null/),
    );
  }
  assert.throws(() => recipe({ resize: "letterbox" }), inputError(/resize: must be crop, pad or squash/));
});

function recipe(changes: object) {
  return parseRecipe({ model: "mobilenetv1_025", ...changes }, "test");
}

function lookFrom(set: object): unknown[] {
  const { evaluation } = set as { evaluation: { resize: string; cropPct: number } };
  return [evaluation.resize, evaluation.cropPct];
}
