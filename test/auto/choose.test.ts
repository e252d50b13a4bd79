/** What `--recipe auto` chooses, for machines, photographs and weights that are made up. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import { chooseRecipe, type Situation } from "../../src/auto/choose.js";
import type { Candidate, Pace } from "../../src/auto/pace.js";
import { type ImageSize, sidesOf } from "../../src/settings/image-size.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { oneLabel } from "../../src/tasks/one-label.js";
import { severalLabels } from "../../src/tasks/several-labels.js";

/** A machine that trains so many images of 224 pixels a second, and smaller ones faster by their area. */
function machine(imagesPerSecond: number) {
  const asked: ImageSize[] = [];
  const paceOf = ({ imageSize }: Candidate): Pace => {
    asked.push(imageSize);
    const [height, width] = sidesOf(imageSize);
    const rate = (imagesPerSecond * 224 ** 2) / (height * width);
    return {
      precision: "bf16",
      secondsAnImage: 1 / rate,
      tried: [
        ["fp32", rate / 2],
        ["bf16", rate],
      ],
    };
  };
  return { asked, paceOf };
}

const imbalance = { largest: "oak", smallest: "elm", ratio: 1 };
const photographs = { train: 600, validation: 150, task: oneLabel, imbalance, secondsAPicture: 0 };
const weights = { path: "big", model: "resnet50d", modelOptions: { width: 32 }, imageSize: 224, classes: 1000 };

function choose(situation: Partial<Situation>, imagesPerSecond = 100) {
  const { asked, paceOf } = machine(imagesPerSecond);
  return {
    ...chooseRecipe({
      photographs,
      weights,
      imageSize: undefined,
      epochs: undefined,
      budget: 1200,
      paceOf,
      ...situation,
    }),
    asked,
  };
}

describe("with weights at hand", () => {
  test("their model is fine-tuned, by a recipe that can be kept", () => {
    const { recipe, asked } = choose({});
    assert.deepEqual(
      [recipe.model, recipe.modelOptions, recipe.imageSize, recipe.init, recipe.precision],
      ["resnet50d", { width: 32 }, 224, { weights: resolve("big") }, "bf16"],
    );
    assert.deepEqual(parseRecipe(recipe, "the recipe"), recipe);
    assert.deepEqual(asked, [224]);
  });

  test("as many epochs as help, and in a shorter time first smaller pictures, then fewer epochs", () => {
    const whole = choose({});
    // 600 and 0.3 x 150 images of 224 pixels at 100 a second: 6.45 s an epoch.
    assert.ok(Math.abs(whole.expected - whole.recipe.epochs * 6.45) < 1e-9);
    const short = choose({ budget: 60 });
    // 0.8 x 60 s are 7 epochs at 224 pixels, and 13 at 160.
    assert.deepEqual([short.recipe.imageSize, short.asked], [160, [224, 160]]);
    assert.ok(short.expected <= 0.8 * 60);
    const hasty = choose({ budget: 5 });
    assert.deepEqual([hasty.recipe.imageSize, hasty.recipe.epochs], [128, 1]);
    assert.match(hasty.reasons.join("\n"), /epochs: 1 of .* as many as fit/);
  });

  test("a size that was asked for stays", () => {
    assert.equal(choose({ imageSize: 96, budget: 5 }).recipe.imageSize, 96);
  });

  test("of few pictures the head learns first, then all slowly, for as long as there is time", () => {
    const few = { ...photographs, train: 240 };
    const { recipe } = choose({ photographs: few }, 1e6);
    assert.deepEqual([recipe.epochs, recipe.lr, recipe.freezeEpochs], [24, 0.005, 2]);
    const short = choose({ photographs: few, budget: 1 }).recipe;
    assert.deepEqual([short.epochs, short.freezeEpochs], [1, 0]);
    assert.deepEqual(parseRecipe(short, "the recipe"), short);
  });

  test("pictures that are not square become smaller both ways", () => {
    const wide = choose({ weights: { ...weights, imageSize: [192, 320] }, budget: 5 });
    assert.deepEqual(wide.asked, [
      [192, 320],
      [160, 256],
      [96, 160],
    ]);
  });

  test("so do epochs, and the head never learns alone for all of them", () => {
    const { recipe, reasons } = choose({ photographs: { ...photographs, train: 240 }, epochs: 1, budget: 5 });
    assert.deepEqual([recipe.epochs, recipe.freezeEpochs, recipe.imageSize], [1, 0, 224]);
    assert.match(reasons.join("\n"), /epochs: 1 of .* as asked for/);
  });

  test("more pictures need fewer epochs", () => {
    const epochs = [240, 600, 2400, 100_000].map(
      (train) => choose({ photographs: { ...photographs, train } }, 1e6).recipe.epochs,
    );
    assert.deepEqual(
      epochs,
      epochs.toSorted((a, b) => b - a),
    );
    assert.ok((epochs.at(-1) as number) >= 2);
  });

  test("unequal classes count alike, from three to one on", () => {
    const unequal = (ratio: number) => choose({ photographs: { ...photographs, imbalance: { ...imbalance, ratio } } });
    assert.deepEqual([unequal(2.9).recipe.classBalance, unequal(2.9).recipe.select], ["none", "top-1"]);
    const { recipe, reasons } = unequal(50);
    assert.deepEqual([recipe.classBalance, recipe.select], ["weights", "macro-f1"]);
    assert.match(reasons.join("\n"), /oak has 50 times the pictures of elm/);
  });

  test("of several labels a picture no class is balanced, and mAP decides", () => {
    const several = { ...photographs, task: severalLabels, imbalance: { ...imbalance, ratio: 50 } };
    const { recipe, reasons } = choose({ photographs: several });
    assert.deepEqual([recipe.classBalance, recipe.select], ["none", "average-precision"]);
    assert.match(reasons.join("\n"), /each class has a threshold of its own; the best epoch by mAP/);
  });
});

describe("without weights", () => {
  test("a small network learns from these pictures alone, and that is said", () => {
    const { recipe, reasons } = choose({ weights: undefined });
    assert.deepEqual([recipe.model, recipe.init, recipe.imageSize], ["resnet18d", false, 128]);
    assert.match(reasons[0] as string, /^weights: none at hand/);
    assert.deepEqual(parseRecipe(recipe, "the recipe"), recipe);
  });

  test("what is counted in epochs keeps its share", () => {
    const slow = choose({ weights: undefined }, 5);
    assert.ok(slow.recipe.epochs < 120);
    const { warmup } = slow.recipe;
    assert.ok(warmup && Math.abs(warmup.epochs / slow.recipe.epochs - 5 / 120) < 1e-3);
  });
});

test("a step is a tenth of the pictures at most, where there are few", () => {
  for (const train of [8, 40, 100, 240, 319]) {
    const { batchSize } = choose({ photographs: { ...photographs, train } }).recipe;
    assert.ok(batchSize === 8 || batchSize <= train / 10, `${train}: ${batchSize}`);
  }
});
