/** `Explainer` and `knack explain`: overlays by files, for a class or the likeliest; what cannot be explained is said. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import sharp from "sharp";
import { evaluationPixels } from "../../src/data/pictures/evaluation-transform.js";
import { Explainer } from "../../src/inference/explainer.js";
import { gradCam } from "../../src/inference/grad-cam.js";
import { loadClassifier } from "../../src/inference/classifier.js";
import { createModel } from "../../src/models/registry.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import { Module } from "../../src/nn/module.js";
import { stateDict } from "../../src/nn/state-dict.js";
import { mean } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { saveCheckpoint } from "../../src/weights/checkpoint.js";
import { commandLines } from "../support/command.js";
import { inputError } from "../support/input-error.js";
import { scratchFolder } from "../support/scratch-folder.js";
import { numbered, writePhotos } from "../support/tiny-photos.js";

const at = scratchFolder("explainer");

function checkpoint(): string {
  using model = createModel("resnet18_small", { classes: 3, inChannels: 3 }, { width: 4 });
  xavierUniform(model, 1);
  const config = {
    ...{ architecture: "resnet18_small", num_classes: 3, in_chans: 3 as const, model_options: { width: 4 } },
    ...{ input_size: [3, 32, 32] as [number, number, number], mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    ...{ interpolation: "bilinear" as const, crop_pct: 0.9, label_names: ["ant", "bee", "cat"] },
  };
  saveCheckpoint(at("model"), { weights: stateDict(model), config });
  return at("model");
}

test("the likeliest class is the classifier's; the overlay is the picture, blue where there is no heat and red where most is", async () => {
  const model = checkpoint();
  await writePhotos(at("photos"), [...numbered("a", 2), ...numbered("b", 1)]);
  const picture = at("photos/a/00.jpg");
  using explainer = new Explainer(model);
  using classifier = loadClassifier(model);
  const [best] = await classifier.classify(picture);
  const pixels = await evaluationPixels(picture, explainer.format);
  const found = explainer.explain(pixels);
  assert.deepEqual([found.class, found.index], [best?.class, best?.index]);
  assert.ok(Math.abs(found.probability - (best?.probability ?? 0)) < 1e-5);
  // Of some class there is heat, and not all over the picture.
  const heats = [0, 1, 2].map((label) => explainer.explain(pixels, label));
  const { heat, overlay } = heats.find(({ heat }) => heat.values.some((value) => value > 0.9)) ?? found;
  const mixed = await overlay.raw().toBuffer();
  const [most, least] = [heat.values.indexOf(Math.max(...heat.values)), heat.values.indexOf(Math.min(...heat.values))];
  const colour = (place: number) => {
    return [0, 1, 2].map(
      (channel) => ((mixed[3 * place + channel] as number) - 0.55 * (pixels[3 * place + channel] as number)) / 0.45,
    );
  };
  for (const [place, expected] of [
    [most, [127.5, 0, 0]],
    [least, [0, 0, 127.5]],
  ] as const) {
    for (const [channel, value] of colour(place).entries()) {
      assert.ok(Math.abs(value - (expected[channel] as number)) < 3, `${colour(place)} at ${place}, not ${expected}`);
    }
  }
});

test("knack explain: a file for each picture, of equal names too; what cannot be read is said, and the others are there", async () => {
  writeFileSync(at("photos/broken.jpg"), "no picture");
  const explain = ["explain", at("model"), at("photos")];
  const [all, wrong] = await commandLines([
    [...explain, "--out", at("out"), "--class", "bee"],
    [...explain, "--out", at("none"), "--class", "dog"],
  ]);
  assert.equal(all?.code, 1);
  assert.match(all?.stderr ?? "", /knack: .*broken\.jpg.*\n(.*\n)*knack: 1 of 4 pictures could not be read/);
  assert.deepEqual(readdirSync(at("out")).sort(), ["00-2.heat.png", "00.heat.png", "01.heat.png"]);
  assert.equal(all?.stdout.match(/jpg: bee [\d.]+ % -> /g)?.length, 3);
  const { width, height } = await sharp(readFileSync(at("out/00.heat.png"))).metadata();
  assert.deepEqual([width, height], [224, 224], "of few pixels they are enlarged");
  assert.equal(wrong?.code, 2);
  assert.match(wrong?.stderr ?? "", /--class: there is no class "dog"; there are ant, bee, cat/);
});

test("a network that does not average over the picture is refused", () => {
  class Plain extends Module {
    override forward(input: Tensor): Tensor {
      return mean(input, [2, 3]);
    }
  }
  scope(() => {
    const images = Tensor.from(new Float32Array(3 * 4), [1, 3, 2, 2]);
    assert.throws(() => gradCam(new Plain(), images), inputError(/does not average over the picture at its end/));
  });
});
