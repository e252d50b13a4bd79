/** Whole pictures in a network's input, padded or squashed, and inputs that are not square: as Pillow and sharp have them. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import sharp from "sharp";
import { randomResizedCrop } from "../../../src/data/augment/random-resized-crop.js";
import { changedPixels, drawPhotoChange } from "../../../src/data/augment/photo-transform.js";
import { UNCHANGED } from "../../../src/data/pictures/colour.js";
import { type EvaluationFormat, evaluationPixels } from "../../../src/data/pictures/evaluation-transform.js";
import { luma } from "../../../src/data/pictures/luma.js";
import { openPicture } from "../../../src/data/pictures/picture.js";
import { centred, resizedSize, shownIn } from "../../../src/data/pictures/resize.js";
import { randomFor } from "../../../src/tensor/random.js";
import { runPython } from "../../support/oracle.js";
import { scratchFolder } from "../../support/scratch-folder.js";

const at = scratchFolder("resize");
const MEAN = [0.485, 0.456, 0.406] as const;
const COMMON = { cropPct: 1, interpolation: "bilinear", channels: 3, mean: MEAN } as const;

async function writePhotograph(name: string, width: number, height: number): Promise<string> {
  const random = randomFor(0, "picture", name);
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return 128 + 80 * Math.sin(x / 9 + (i % 3)) * Math.cos(y / (7 + x / 50)) + random.integer(40) - 20;
  });
  await sharp(pixels, { raw: { width, height, channels: 3 } }).toFile(at(name));
  return at(name);
}

interface Task {
  readonly file: string;
  readonly size: readonly [number, number];
  readonly mode: "pad" | "squash";
  readonly box?: readonly [left: number, top: number, right: number, bottom: number];
  readonly mirrored?: boolean;
}

function pillow(tasks: readonly Task[]): Buffer[] {
  writeFileSync(at("tasks.json"), JSON.stringify(tasks.map((task) => ({ ...task, mean: MEAN }))));
  runPython("resize_modes.py", at());
  return tasks.map((_, number) => readFileSync(at(String(number))));
}

function largest(actual: Uint8Array, expected: Uint8Array): number {
  assert.equal(actual.length, expected.length);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] as number))), 0);
}

describe("the whole picture", () => {
  let [wide, tall, large] = ["", "", ""];
  before(async () => {
    wide = await writePhotograph("wide.png", 61, 40);
    tall = await writePhotograph("tall.png", 33, 58);
    large = await writePhotograph("large.png", 501, 376);
  });

  test("in evaluation is Pillow's, padded with the mean or squashed, into squares and rectangles", async () => {
    const small: Task[] = [wide, tall].flatMap((file) =>
      (
        [
          [96, 96],
          [64, 99],
          [99, 64],
          [61, 67],
        ] as const
      ).flatMap((size) => [{ file, size, mode: "pad" } as const, { file, size, mode: "squash" } as const]),
    );
    const shrunk: Task[] = [
      { file: large, size: [64, 96], mode: "pad" },
      { file: large, size: [96, 64], mode: "squash" },
    ];
    const all = [...small, ...shrunk];
    const expected = pillow(all);
    for (const [i, { file, size, mode }] of all.entries()) {
      const format: EvaluationFormat = { ...COMMON, size, resize: mode };
      const difference = largest(await evaluationPixels(file, format), expected[i] as Buffer);
      // libvips shrinks by other steps, which move edges by some levels; its padding is the same.
      assert.ok(difference <= (i < small.length ? 1 : 12), `${JSON.stringify(all[i])}: ${difference} levels`);
      if (mode === "pad") continue;
      const grey = await evaluationPixels(file, { ...format, channels: 1, mean: [0.5] });
      assert.deepEqual(grey, luma(await evaluationPixels(file, format)));
    }
  });

  test("padding lies as sharp's 'contain' has it, in a grey network's own mean", async () => {
    const [height, width] = [81, 50];
    const format: EvaluationFormat = { ...COMMON, size: [height, width], resize: "pad", channels: 1, mean: [0.2] };
    const pixels = await evaluationPixels(wide, format);
    const mask = sharp({ create: { width: 61, height: 40, channels: 3, background: "white" } });
    const contained = await mask.png().toBuffer();
    const { data } = await sharp(contained)
      .resize({ width, height, fit: "contain", background: "black" })
      .raw()
      .toBuffer({ resolveWithObject: true });
    for (let i = 0; i < pixels.length; i++) if (data[3 * i] === 0) assert.equal(pixels[i], 51);
    const rows = Array.from({ length: height }, (_, row) => data[3 * row * width] !== 0);
    assert.equal(rows.indexOf(true), 24);
  });

  test("in training is the drawn part of it, mirrored, in the same place", async () => {
    const tasks: Task[] = [
      { file: wide, size: [96, 80], mode: "pad", box: [3, 2, 50, 39], mirrored: true },
      { file: tall, size: [96, 80], mode: "pad", box: [0, 0, 33, 58] },
      { file: tall, size: [70, 90], mode: "squash", box: [4, 9, 30, 29], mirrored: true },
    ];
    const expected = pillow(tasks);
    for (const [i, { file, size, mode, box = [0, 0, 0, 0], mirrored = false }] of tasks.entries()) {
      const [left, top, right, bottom] = box;
      const crop = { left, top, width: right - left, height: bottom - top };
      const change = { crop, mirrored, colours: UNCHANGED };
      const pixels = await changedPixels(await openPicture(file), { ...COMMON, size, resize: mode }, change);
      assert.deepEqual(Buffer.from(pixels), expected[i]);
    }
  });

  test("is what a crop of all of it at its own shape gives", () => {
    const whole = { scale: [1, 1], ratio: [1, 1], flip: false, jitter: 0, lighting: 0 } as const;
    const size = { width: 61, height: 40 };
    for (const resize of ["pad", "squash"] as const) {
      const { crop } = drawPhotoChange(size, { ...COMMON, size: [96, 48], resize }, whole, randomFor(1));
      assert.deepEqual(crop, { left: 0, top: 0, ...size });
    }
  });
});

test("a crop for an input that is not square has its shape, and one for a square is torchvision's", () => {
  const ranges = { scale: [0.2, 0.6], ratio: [3 / 4, 4 / 3] } as const;
  const settings = { scale: [...ranges.scale], ratio: [...ranges.ratio] } as const;
  for (let seed = 0; seed < 40; seed++) {
    const draw = (aspect?: number) =>
      randomResizedCrop({ width: 4000, height: 3000, ...(aspect && { aspect }) }, settings as never, randomFor(seed));
    const { width, height } = draw(2.5);
    assert.ok(width / height > 0.74 * 2.5 && width / height < 1.34 * 2.5, `${width}x${height}`);
    assert.deepEqual(draw(1), draw());
  }
});

test("the size in between covers, lies in or is the box, and its middle is in the middle", () => {
  const side = fc.integer({ min: 1, max: 3000 });
  const size = fc.record({ height: side, width: side });
  fc.assert(
    fc.property(size, size, fc.constantFrom("crop", "pad", "squash"), (picture, box, mode) => {
      const resized = resizedSize(picture, box, mode as "crop");
      const fits = (a: number, b: number) => (mode === "crop" ? a >= b : mode === "pad" ? a <= b : a === b);
      assert.ok(fits(resized.height, box.height) && fits(resized.width, box.width));
      assert.ok(resized.height === box.height || resized.width === box.width);
      const { left, top, width, height } = centred(resized, box);
      for (const [before, length, all] of [
        [left, width, resized.width],
        [top, height, resized.height],
      ] as const) {
        const after = all - before - length;
        assert.ok(Math.abs(before - after) <= 1, "at most half a pixel off");
      }
      const shown = shownIn(resized, { left, top, width, height });
      assert.deepEqual([shown.height, shown.width], [Math.min(height, resized.height), Math.min(width, resized.width)]);
    }),
  );
});
