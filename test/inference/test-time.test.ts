/** Several views of a picture, and several models, together: as torchvision and people average them. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import { modelsBefore } from "../../src/cli/options/models-before.js";
import { openWhole } from "../../src/data/sources/open.js";
import { type Classified, type Classifier, loadClassifier } from "../../src/inference/classifier.js";
import { classifyTogether } from "../../src/inference/ensemble.js";
import { createModel } from "../../src/models/registry.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import { stateDict } from "../../src/nn/state-dict.js";
import { evaluateCheckpoint } from "../../src/run/evaluate-checkpoint.js";
import { prepareImages } from "../../src/training/prepare-images.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { mulScalarInPlace } from "../../src/tensor/ops.js";
import { randomFor } from "../../src/tensor/random.js";
import { scope } from "../../src/tensor/scope.js";
import { saveCheckpoint } from "../../src/weights/checkpoint.js";
import type { CheckpointConfig } from "../../src/weights/config.js";
import { loadModel } from "../../src/weights/load-model.js";
import { inputError } from "../support/input-error.js";
import { scratchFolder } from "../support/scratch-folder.js";

const at = scratchFolder("test-time");
const CLASSES = ["ant", "bee", "cat"];
const SIZE = 24;
/** So large that nothing is resized: the box is 48 pixels. */
const [WIDTH, HEIGHT] = [61, 48];

function save(name: string, seed: number, changes: Partial<CheckpointConfig> = {}): string {
  using model = createModel("resnet18_small", { classes: CLASSES.length, inChannels: 3 }, { width: 4 });
  xavierUniform(model, seed);
  for (const [name, parameter] of model.parameters()) {
    if (name === "fc.weight") noGradient(() => mulScalarInPlace(parameter, 2));
  }
  const config: CheckpointConfig = {
    ...{ architecture: "resnet18_small", num_classes: CLASSES.length, in_chans: 3, input_size: [3, SIZE, SIZE] },
    ...{ mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.25], interpolation: "bilinear", crop_pct: 0.5 },
    ...{ label_names: CLASSES, model_options: { width: 4 } },
    ...changes,
  };
  saveCheckpoint(at(name), { weights: stateDict(model), config });
  return at(name);
}

/** The model's logits of a part of a picture, cut out by sharp. */
async function logitsOf(path: string, file: string, left: number, top: number, mirrored = false): Promise<number[]> {
  const { model, format } = loadModel(path, "cpu");
  const part = await sharp(file).extract({ left, top, width: SIZE, height: SIZE }).toBuffer();
  const pixels = await (mirrored ? sharp(part).flop() : sharp(part)).raw().toBuffer();
  const logits = scope(() => noGradient(() => model.forward(prepareImages(pixels, format, "cpu")).toArray()));
  model.dispose();
  return logits;
}

const meanOf = (rows: readonly (readonly number[])[]) =>
  (rows[0] ?? []).map((_, column) => rows.reduce((sum, row) => sum + (row[column] as number), 0) / rows.length);

function softmax(logits: readonly number[]): number[] {
  const powers = logits.map(Math.exp);
  return powers.map((power) => power / powers.reduce((a, b) => a + b));
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** In the order of the first model's classes. */
function probabilities({ predictions = [] }: Pick<Classified, "predictions">, classes: readonly string[]): number[] {
  return classes.map((name) => predictions.find((each) => each.class === name)?.probability ?? Number.NaN);
}

function near(actual: readonly number[], expected: readonly number[]): void {
  for (const [i, value] of actual.entries())
    assert.ok(Math.abs(value - (expected[i] as number)) < 2e-6, `${actual} ${expected}`);
}

let files: string[];
let [one, other] = ["", ""];
before(async () => {
  one = save("one", 1);
  other = save("other", 2, { label_names: ["cat", "ant", "bee"] });
  files = [];
  for (const [label, name] of CLASSES.entries()) {
    mkdirSync(at("photos", name), { recursive: true });
    for (let i = 0; i < 2; i++) {
      const random = randomFor(0, "test-time", label, i);
      const pixels = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, () => random.integer(256));
      const file = at("photos", name, `${i}.png`);
      await sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } }).toFile(file);
      files.push(file);
    }
  }
});

/** torchvision's FiveCrop: top-left, top-right, bottom-left, bottom-right and the centre, whose half pixel is rounded to even. */
const CORNERS = [
  [0, 0],
  [WIDTH - SIZE, 0],
  [0, HEIGHT - SIZE],
  [WIDTH - SIZE, HEIGHT - SIZE],
  [18, 12],
] as const;

const viewsByHand = {
  flip: (path: string, file: string) => Promise.all([logitsOf(path, file, 18, 12), logitsOf(path, file, 18, 12, true)]),
  "five-crop": (path: string, file: string) =>
    Promise.all(CORNERS.map(([left, top]) => logitsOf(path, file, left, top))),
};

describe("test-time augmentation", () => {
  for (const tta of ["flip", "five-crop"] as const) {
    test(`${tta}: the mean of the views' logits, in predictions and evaluations`, async () => {
      using classifier = loadClassifier(one);
      const losses: number[] = [];
      for (const [i, file] of files.entries()) {
        const expected = softmax(meanOf(await viewsByHand[tta](one, file)));
        const [predicted] = await all(classifier.classifyAll([file], { tta }));
        near(probabilities(predicted as Classified, CLASSES), expected);
        losses.push(-Math.log(expected[Math.floor(i / 2)] as number));
      }
      for (const workers of [0, 1]) {
        const { validation } = openWhole(at("photos"), {});
        const { metrics, images } = await evaluateCheckpoint(one, [validation], { tta, workers });
        assert.equal(images, files.length);
        near([metrics.loss as number], [losses.reduce((a, b) => a + b) / losses.length]);
      }
    });
  }

  test("five crops that would be one are refused", async () => {
    const whole = save("whole", 1, { crop_mode: "pad", crop_pct: 1 });
    using classifier = loadClassifier(whole);
    const refused = inputError(/--tta five-crop: these pictures are seen as a whole.*take flip/);
    await assert.rejects(all(classifier.classifyAll(files, { tta: "five-crop" })), refused);
    const { validation } = openWhole(at("photos"), {});
    await assert.rejects(evaluateCheckpoint(whole, [validation], { tta: "five-crop" }), refused);
  });
});

describe("several models", () => {
  const together = (paths: readonly string[], ...images: string[]) => {
    const classifiers = paths.map((path) => loadClassifier(path)) as [Classifier, ...Classifier[]];
    return all(classifyTogether(classifiers, images)).finally(() => {
      for (const classifier of classifiers) classifier.dispose();
    });
  };

  test("give the mean of their probabilities, class by class by name", async () => {
    const results = await together([one, other, one], ...files);
    for (const [i, file] of files.entries()) {
      const first = softmax(await logitsOf(one, file, 18, 12));
      const [cat, ant, bee] = softmax(await logitsOf(other, file, 18, 12));
      const second = [ant, bee, cat] as number[];
      near(probabilities(results[i] as Classified, CLASSES), meanOf([first, first, second]));
      const [best, next] = results[i]?.predictions ?? [];
      assert.ok((best?.probability ?? 0) >= (next?.probability ?? 1));
      assert.equal(CLASSES[best?.index ?? -1], best?.class);
    }
  });

  test("of other classes, or without names, are refused; a picture that cannot be read stops none", async () => {
    const foreign = save("foreign", 3, { label_names: ["ant", "bee", "dog"] });
    await assert.rejects(together([one, foreign], ...files), inputError(/cat is one of .*one, and none of .*foreign/));
    const twice = save("twice", 3, { label_names: ["ant", "ant", "cat"] });
    await assert.rejects(together([one, twice], ...files), inputError(/twice does not name its classes, or two alike/));
    const results = await together([one, other], at("nothing.png"), files[0] as string);
    assert.deepEqual(
      results.map(({ error }) => error === undefined),
      [false, true],
    );
  });

  test("come before the pictures", () => {
    const pictures = [join(at("photos"), "ant"), other];
    assert.deepEqual(modelsBefore([other, "x.onnx", ...pictures]), { models: [other, "x.onnx"], pictures });
    assert.throws(() => modelsBefore([one, other]), inputError(/all of these are models/));
  });
});
