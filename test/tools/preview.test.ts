/** `knack data preview`: its tiles are what evaluation, the loader and the trainer's mixup make, and nothing in names is obeyed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import sharp from "sharp";
import { evaluationPixels } from "../../src/data/pictures/evaluation-transform.js";
import { Loader } from "../../src/data/loading/loader.js";
import { openData } from "../../src/data/sources/open.js";
import { kindOf } from "../../src/data/kinds/kinds.js";
import type { Split } from "../../src/data/split.js";
import { seedFor } from "../../src/tensor/random.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { presets } from "../../src/recipe/presets.js";
import { writePreview } from "../../src/tools/preview.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { Recipe } from "../../src/recipe/recipe.js";
import { trainingData } from "../../src/run/training-data.js";
import { drawMixup, mixupBatch } from "../../src/tricks/mixup.js";
import { inputError } from "../support/input-error.js";
import { writeTinyData } from "../support/tiny-data.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-preview-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const at = (...path: string[]) => join(scratch, ...path);

/** What the layout is made of. */
const [GAP, LABEL, CAPTION] = [4, 160, 40];
const HOSTILE = "<b>&bold\u0007\u202e<\u{1f33b}'\"";

/** Training and validation folders of two classes of patterned JPEG files, 60 x 40 pixels and larger. */
async function writePhotos(root: string): Promise<string> {
  for (const [label, name] of [HOSTILE, "plain"].entries()) {
    for (const split of ["train", "val"]) mkdirSync(join(root, split, name), { recursive: true });
    for (let i = 0; i < 10; i++) {
      const [width, height] = [60 + 5 * i, 40 + i];
      const pixels = Uint8Array.from({ length: width * height * 3 }, (_, k) => 50 + 120 * label + ((k * (i + 3)) % 61));
      const picture = sharp(pixels, { raw: { width, height, channels: 3 } });
      await picture.jpeg().toFile(join(root, i < 8 ? "train" : "val", name, `${i}&<i>.jpg`));
    }
  }
  return root;
}

function recipe(changes: object): Recipe {
  return parseRecipe(changes, "test", presets["bag-of-tricks"]);
}

/** One tile of the written picture, at the images' own scale. */
async function tile(file: string, { height, width }: Split, scale: number, row: number, column: number) {
  const [tileWidth, tileHeight] = [scale * width, scale * height];
  const left = LABEL + column * (tileWidth + GAP);
  const top = GAP + row * (tileHeight + GAP + CAPTION);
  const part = await sharp(file).extract({ left, top, width: tileWidth, height: tileHeight }).toBuffer();
  const small = sharp(part).resize({ width, height, kernel: "nearest" });
  return new Uint8Array(await small.raw().toBuffer());
}

test("photographs: size, evaluation's and the loader's pixels, the same each time", async () => {
  const data = await writePhotos(at("photos"));
  writeFileSync(join(data, "train", "plain", "0&<i>.jpg"), "bad");
  const settings = recipe({ imageSize: 56, batchSize: 6, seed: 5 });
  const { train } = trainingData(openData(data), settings, undefined);
  const file = at("photos.png");
  await writePreview(train, settings, 2, file);
  const { width, height, channels } = await sharp(file).metadata();
  const rows = 6 + 2; // three samples of each class
  assert.deepEqual([width, height, channels], [LABEL + 8 * (112 + GAP), GAP + rows * (112 + GAP + CAPTION), 3]);

  const shown = await tile(file, train, 2, 0, 0);
  assert.deepEqual(
    shown,
    new Uint8Array(await evaluationPixels(join(data, "train", HOSTILE, "0&<i>.jpg"), kindOf(train).evaluation(train))),
  );
  // The same sample in training epoch 3, wherever it comes in the epoch.
  const { augmentation, seed } = settings;
  const training = new Loader(train, { batchSize: 1, augmentation, seed, workers: 0 });
  const augmented = await tile(file, train, 2, 0, 1);
  let seen = false;
  for await (const { pixels } of training.epoch(2)) seen ||= Buffer.from(pixels).equals(augmented);
  assert.ok(seen);

  assert.deepEqual([...(await tile(file, train, 2, 3, 0)).subarray(0, 3)], [178, 34, 34]); // the bad one is red

  await writePreview(train, settings, 2, at("again.png"));
  assert.deepEqual(readFileSync(at("again.png")), readFileSync(file));
  await writePreview(train, { ...settings, seed: 6 }, 2, at("other.png"));
  assert.notDeepEqual(readFileSync(at("other.png")), readFileSync(file));
});

test("the blends are those of the trainer's steps", async () => {
  const data = openData(writeTinyData(at("tiny"), { train: 70 }));
  for (const pairing of ["permute", "reverse", "roll"] as const) {
    const settings = recipe({ batchSize: 32, accumulation: 2, seed: 3, mixup: { alpha: 1, pairing } });
    const { train } = trainingData(data, settings, undefined);
    const file = at(`${pairing}.png`);
    await writePreview(train, settings, 1, file);
    const { batchSize, augmentation, seed } = settings;
    const loader = new Loader(train, { batchSize, augmentation, seed, workers: 0 });
    const bytes = train.height * train.width;
    for (const [epoch, index, column] of [
      [1, 0, 0],
      [1, 1, 1],
      [2, 0, 2],
    ] as const) {
      for await (const batch of loader.epoch(epoch, index)) {
        const part = Float32Array.from(batch.pixels.subarray(0, 16 * bytes));
        const draw = drawMixup({ alpha: 1, pairing }, seedFor(seed, "mixup", 2 * epoch + index, 0));
        using images = Tensor.from(part, [16, bytes]);
        const blended = mixupBatch({ images, targets: images, shares: images }, { alpha: 1, pairing }, draw)
          .images.toArray()
          .slice(0, bytes);
        const shown = await tile(file, train, 4, 6, column);
        for (let i = 0; i < bytes; i++) {
          assert.ok(Math.abs((shown[3 * i] as number) - (blended[i] as number)) <= 0.51, `${pairing} ${column} ${i}`);
        }
        break;
      }
    }
  }
});

test("enlarged and shrunk images, recipes without mixup, wrong files and settings", async () => {
  const data = openData(await writePhotos(at("sizes")));
  const sized = async (changes: object, file = at("sized.png")) => {
    const settings = recipe(changes);
    await writePreview(trainingData(data, settings, undefined).train, settings, 0, file);
    const { width, height } = await sharp(file).metadata();
    return [(width - LABEL) / 8 - GAP, (height - GAP) / (112 + GAP + CAPTION)];
  };
  assert.deepEqual(await sized({ imageSize: 16, mixup: false }), [112, 6]);
  assert.equal((await sized({ imageSize: 400, mixup: false }))[0], 320);
  await assert.rejects(sized({}, at("preview.jpg")), inputError(/preview.jpg must end in .png/));
  await assert.rejects(sized({ imageSize: 16 }, at("nowhere", "x.png")), /cannot write .*no such file/);
});

test("the command", async () => {
  const data = await writePhotos(at("command"));
  const command = new URL("../../src/cli/main.js", import.meta.url).href;
  const run = (...args: string[]) => {
    const script = `import { main } from ${JSON.stringify(command)}; await main(["node", "knack", "data", "preview", ...process.argv.slice(1)]);`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--input-type=module", "-e", script, "--", ...args],
      { encoding: "utf8", cwd: scratch },
    );
    return { status, stdout, stderr };
  };
  const small = ["--recipe", "bag-of-tricks", "--image-size", "32", "--mixup", "0.4", "--seed", "1", "--epoch", "3"];
  const good = run(data, "--out", "a.png", ...small);
  assert.deepEqual(good, { status: 0, stdout: "preview: a.png, of recipe bag-of-tricks\n", stderr: "" });
  assert.equal(run(data, "--out", "b.png", ...small).status, 0);
  assert.deepEqual(readFileSync(at("a.png")), readFileSync(at("b.png")));
  for (const [args, complaint] of [
    [[data], /--out/],
    [[data, "--out", "x.png", "--epoch", "0"], /--epoch: must be a whole number above 0, not "0"/],
    [[data, "--out", "x.png", "--scale", "0,2"], /--scale: must be the smallest/],
    [["nowhere", "--out", "x.png"], /no data set or folder "nowhere"/],
    [[data, "--out", "x.gif"], /must end in .png/],
  ] as const) {
    const { status, stderr } = run(...args);
    assert.equal(status, 2);
    assert.match(stderr, complaint);
    assert.equal(stderr.trim().split("\n").length, 1);
  }
});
