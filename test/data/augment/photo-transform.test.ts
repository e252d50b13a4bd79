/** The paper's training pipeline is torchvision's: crops, resizing, flips and colours; PCA noise against its equation. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import sharp from "sharp";
import { type ColourChange, changeColours, UNCHANGED } from "../../../src/data/pictures/colour.js";
import { colourJitter } from "../../../src/data/augment/colour-jitter.js";
import { lighting } from "../../../src/data/augment/lighting.js";
import {
  changedPixels,
  drawPhotoChange,
  type TrainingFormat,
  trainingPixels,
} from "../../../src/data/augment/photo-transform.js";
import { openPicture } from "../../../src/data/pictures/picture.js";
import { randomResizedCrop } from "../../../src/data/augment/random-resized-crop.js";
import type { CropBox, PictureSize } from "../../../src/data/pictures/picture-shape.js";
import { type Random, randomFor } from "../../../src/tensor/random.js";
import { runPython } from "../../support/oracle.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-transform-"));
const at = (name: string) => join(scratch, name);
after(() => rmSync(scratch, { recursive: true, force: true }));

const input = (side: number) =>
  ({ size: [side, side], resize: "crop", channels: 3, mean: [0.5, 0.5, 0.5] }) as const satisfies TrainingFormat;

/** The paper's colours, drawn by the augmenters for them alone. */
const drawColours = (random: Random): ColourChange =>
  drawPhotoChange({ height: 1, width: 1 }, input(1), PAPER, random, [colourJitter, lighting]).colours;
const PAPER = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3], flip: true, jitter: 0.4, lighting: 0.1 } as const;

function askTorchvision(tasks: object): void {
  writeFileSync(at("tasks.json"), JSON.stringify(tasks));
  runPython("photo_transform.py", scratch);
}

function differences(actual: ArrayLike<number>, expected: ArrayLike<number>): { mean: number; largest: number } {
  assert.equal(actual.length, expected.length);
  let [sum, largest] = [0, 0];
  for (let i = 0; i < actual.length; i++) {
    const difference = Math.abs((actual[i] as number) - (expected[i] as number));
    sum += difference;
    largest = Math.max(largest, difference);
  }
  return { mean: sum / actual.length, largest };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Smooth shapes with noise, so that both blur and shifts show. */
async function writePhotograph(name: string, width: number, height: number, orientation?: number): Promise<string> {
  const random = randomFor(0, "picture", name);
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return 128 + 80 * Math.sin(x / 9 + (i % 3)) * Math.cos(y / (7 + x / 50)) + random.integer(40) - 20;
  });
  const picture = sharp(pixels, { raw: { width, height, channels: 3 } });
  await (orientation === undefined ? picture : picture.withMetadata({ orientation })).toFile(at(name));
  return at(name);
}

describe("crop, resize and flip", () => {
  interface Task extends CropBox {
    readonly file: string;
    readonly size: number;
    readonly mirrored: boolean;
  }

  /** The largest of the means and of the levels by which crops differ from torchvision's. */
  async function compare(tasks: readonly Task[]): Promise<{ mean: number; largest: number }> {
    askTorchvision({ crops: tasks });
    const found = { mean: 0, largest: 0 };
    for (const [i, { file, size, mirrored, ...crop }] of tasks.entries()) {
      const pixels = await changedPixels(await openPicture(file), input(size), { crop, mirrored, colours: UNCHANGED });
      const { mean, largest } = differences(pixels, readFileSync(at(`crop-${i}`)));
      found.mean = Math.max(found.mean, mean);
      found.largest = Math.max(found.largest, largest);
    }
    return found;
  }

  const task = (file: string, [left, top, width, height]: readonly number[], size: number, mirrored = false) =>
    ({ file, left, top, width, height, size, mirrored }) as Task;

  function assertWithin(found: { mean: number; largest: number }, most: { mean: number; largest: number }): void {
    assert.ok(found.mean <= most.mean && found.largest <= most.largest, JSON.stringify(found));
  }

  const NOTHING = { mean: 0, largest: 0 };
  for (const ending of ["png", "jpg"]) {
    test(`enlarging, ${ending}: the same pixels`, async () => {
      const file = await writePhotograph(`small.${ending}`, 201, 155);
      const boxes = [
        [0, 0, 201, 155],
        [13, 20, 60, 45],
        [50, 1, 96, 128],
        [200, 154, 1, 1],
        [31, 0, 3, 150],
        [17, 23, 40, 53],
      ];
      const tasks = boxes.flatMap((box) => [task(file, box, 224), task(file, box, 160, true)]);
      assertWithin(await compare(tasks), NOTHING);
    });

    test(`one side enlarged and the other reduced, ${ending}: the same pixels`, async () => {
      const file = await writePhotograph(`wide.${ending}`, 700, 300);
      const boxes = [
        [0, 0, 700, 200],
        [311, 17, 223, 280],
        [100, 3, 300, 64],
      ];
      assertWithin(await compare(boxes.map((box, i) => task(file, box, 224, i === 1))), NOTHING);
    });

    test(`reductions below 3, ${ending}: the same pixels`, async () => {
      const file = await writePhotograph(`medium.${ending}`, 820, 760);
      const boxes = [
        [0, 0, 224, 224],
        [5, 9, 320, 270],
        [101, 33, 400, 427],
        [60, 0, 447, 447],
        [0, 0, 820, 660],
      ];
      assertWithin(await compare(boxes.map((box, i) => task(file, box, 224, i % 2 === 0))), NOTHING);
    });

    test(`reductions from 3 on, ${ending}: few levels`, async () => {
      const file = await writePhotograph(`large.${ending}`, 1900, 1500);
      const boxes = [
        [0, 0, 1900, 1500],
        [333, 101, 675, 690],
        [701, 77, 1111, 1203],
        [1001, 650, 899, 850],
        [0, 0, 640, 1500],
      ];
      assertWithin(await compare(boxes.map((box, i) => task(file, box, 224, i % 2 === 0))), { mean: 2.2, largest: 14 });
    });
  }

  test("boxes belong to the upright picture", async () => {
    const files = [3, 6, 8].map((orientation) => writePhotograph(`turned-${orientation}.png`, 300, 200, orientation));
    const tasks = (await Promise.all(files)).map((file) => task(file, [10, 30, 150, 120], 160));
    assertWithin(await compare(tasks), NOTHING);
  });

  test("a flip is the mirror image of the same crop", async () => {
    const file = await writePhotograph("any.png", 90, 61);
    const crop = { left: 3, top: 5, width: 71, height: 41 };
    const [one, other] = await Promise.all(
      [false, true].map(async (mirrored) => {
        return changedPixels(await openPicture(file), input(65), { crop, mirrored, colours: UNCHANGED });
      }),
    );
    const flopped = sharp(one, { raw: { width: 65, height: 65, channels: 3 } }).flop();
    assert.deepEqual(Buffer.from(other ?? []), await flopped.raw().toBuffer());
  });

  test("half of all pictures are flipped, none where that is off", async () => {
    const file = readFileSync(await writePhotograph("tiny.png", 8, 8));
    const whole = { scale: [1, 1], ratio: [1, 1], jitter: 0, lighting: 0 } as const;
    const kinds = async (flip: boolean) => {
      const found = new Map<string, number>();
      for (let i = 0; i < 200; i++) {
        const pixels = await trainingPixels(file, input(8), { ...whole, flip }, randomFor(0, i));
        const key = Buffer.from(pixels).toString("hex");
        found.set(key, (found.get(key) ?? 0) + 1);
      }
      return [...found.values()];
    };
    const counts = await kinds(true);
    assert.equal(counts.length, 2);
    assert.ok(Math.abs((counts[0] as number) - 100) < 30, String(counts));
    assert.deepEqual(await kinds(false), [200]);
  });

  const real = process.env.KNACK_DATA;
  test("real photographs", { skip: real ? false : "KNACK_DATA names no folder" }, async () => {
    const folder = join(real ?? "", "data", "imagenet_samples");
    const tasks: Task[] = [];
    // One of the fifty has a colour profile other than sRGB, which Pillow passes over.
    const names = readdirSync(folder).filter((name) => name.endsWith(".JPEG"));
    for (const [i, name] of names.slice(2, 14).entries()) {
      const file = join(folder, name);
      const box = randomResizedCrop(await openPicture(file), PAPER, randomFor(0, "real", i));
      tasks.push({ ...box, file, size: 224, mirrored: i % 2 === 0 });
    }
    assertWithin(await compare(tasks), { mean: 0.01, largest: 1 });
  });
});

describe("colours", () => {
  const SIDE = 48;

  /** Random colours, greys and primaries; neighbours in a column of the picture have nothing to do with each other. */
  function someColours(): Uint8Array {
    const random = randomFor(0, "colours");
    const pixels = new Uint8Array(SIDE * SIDE * 3);
    for (let i = 0; i < pixels.length; i += 3) {
      const [kind, grey] = [random.integer(4), random.integer(256)];
      for (let c = 0; c < 3; c++) {
        pixels[i + c] =
          [random.integer(256), grey, random.integer(2) * 255, grey + random.integer(256 - grey)][kind] ?? 0;
      }
    }
    return pixels;
  }

  const factors = [
    { hue: -0.4, saturation: 0.6, brightness: 1.4 },
    { hue: 0.4, saturation: 1.4, brightness: 0.6 },
    { hue: 0.137, saturation: 1.38, brightness: 1.27 },
    { hue: -0.031, saturation: 0.93, brightness: 0.71 },
    { hue: -0.5, saturation: 0, brightness: 1.1 },
    { hue: 0.5, saturation: 1.1, brightness: 0 },
  ];
  const steps = factors.flatMap(({ hue, saturation, brightness }) => [
    { hue, saturation: null, brightness: null },
    { hue: null, saturation, brightness: null },
    { hue: null, saturation: null, brightness },
    { hue, saturation, brightness },
  ]);

  test("hue, saturation and brightness are torchvision's, one by one and together", () => {
    const pixels = someColours();
    writeFileSync(at("pixels"), pixels);
    askTorchvision({ colours: steps });
    for (const [i, { hue, saturation, brightness }] of steps.entries()) {
      const changed = pixels.slice();
      const colours = { hue: hue ?? 0, saturation: saturation ?? 1, brightness: brightness ?? 1 };
      changeColours(changed, { ...colours, shift: [0, 0, 0] });
      const bytes = readFileSync(at(`float-${i}`));
      const floats = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      const ofFloats = differences(changed, floats);
      const name = JSON.stringify(steps[i]);
      // Rounding to bytes, from eighths of a level, and torchvision's 0.2989 where luma has 0.299.
      assert.ok(ofFloats.largest < 0.75 && ofFloats.mean < 0.26, `${name}, floats: ${JSON.stringify(ofFloats)}`);
      // Pillow rounds after each step and holds hue and saturation in bytes: a step of the hue is six levels, which the others multiply.
      const ofPillow = differences(changed, readFileSync(at(`pillow-${i}`)));
      const most = hue === null ? { mean: 0.8, largest: 1 } : { mean: 2, largest: 30 };
      assert.ok(
        ofPillow.largest <= most.largest && ofPillow.mean <= most.mean,
        `${name}, Pillow: ${JSON.stringify(ofPillow)}`,
      );
    }
  });

  test("no change changes nothing; grey keeps grey; values stay bytes", () => {
    const pixels = someColours();
    const same = pixels.slice();
    changeColours(same, UNCHANGED);
    assert.deepEqual(same, pixels);

    const channel = fc.integer({ min: 0, max: 255 });
    const factor = fc.double({ min: 0.6, max: 1.4, noNaN: true });
    const turn = fc.double({ min: -0.5, max: 0.5, noNaN: true });
    fc.assert(
      fc.property(channel, turn, factor, factor, (grey, hue, saturation, brightness) => {
        const pixel = Uint8Array.of(grey, grey, grey);
        changeColours(pixel, { hue, saturation, brightness, shift: [0, 0, 0] });
        const expected = Math.min(255, grey * brightness);
        assert.ok(pixel[0] === pixel[1] && pixel[1] === pixel[2]);
        assert.ok(Math.abs((pixel[0] as number) - expected) <= 0.75);
      }),
    );
    // A turn there and back, the hardest for rounding: a value never leaves the range of the pixel's own.
    fc.assert(
      fc.property(fc.tuple(channel, channel, channel), turn, (colour, hue) => {
        const pixel = Uint8Array.from(colour);
        changeColours(pixel, { ...UNCHANGED, hue });
        assert.equal(Math.max(...pixel), Math.max(...colour));
        assert.equal(Math.min(...pixel), Math.min(...colour));
      }),
      { examples: [[[3, 2, 1], 0.5 - Number.EPSILON]] },
    );
  });

  test("the shift comes last, and is held to 0..255", () => {
    const pixels = Uint8Array.of(10, 200, 100);
    changeColours(pixels, { hue: 0, saturation: 1, brightness: 1.4, shift: [-20.4, 10, 3.3] });
    // 14 - 20.4, min(255, 280) + 10, 140 + 3.3
    assert.deepEqual([...pixels], [0, 255, 143]);
    const bright = Uint8Array.of(200, 200, 200);
    changeColours(bright, { hue: 0, saturation: 1, brightness: 1.4, shift: [-10, -20.2, 0] });
    assert.deepEqual([...bright], [245, 235, 255]);
  });

  test("PCA noise is [p1 p2 p3] [a1 l1, a2 l2, a3 l3] with the numbers of Krizhevsky et al.", () => {
    const uniforms = [0.1, 0.5, 0.9, 0.3, 0.2, 0.7, 0.6, 0.05, 0.85];
    let drawn = 0;
    const random: Random = { uniform: () => uniforms[drawn++] as number, integer: () => 0 };
    const { hue, saturation, brightness, shift } = drawColours(random);
    assert.equal(drawn, 9);
    const coefficients = [hue, saturation, brightness];
    for (const [i, expected] of [-0.32, 1, 1.32].entries()) {
      assert.ok(Math.abs((coefficients[i] as number) - expected) < 1e-12, String(coefficients));
    }
    const gauss = (a: number, b: number) => Math.sqrt(-2 * Math.log(1 - a)) * Math.cos(2 * Math.PI * b);
    const [a1, a2, a3] = [0.1 * gauss(0.3, 0.2), 0.1 * gauss(0.7, 0.6), 0.1 * gauss(0.05, 0.85)];
    const expected = [
      -0.5675 * a1 * 55.46 + 0.7192 * a2 * 4.794 + 0.4009 * a3 * 1.148,
      -0.5808 * a1 * 55.46 - 0.0045 * a2 * 4.794 - 0.814 * a3 * 1.148,
      -0.5836 * a1 * 55.46 - 0.6948 * a2 * 4.794 + 0.4203 * a3 * 1.148,
    ];
    for (const [i, value] of expected.entries()) assert.ok(Math.abs((shift[i] as number) - value) < 1e-12);
  });

  test("what is drawn has the paper's distributions", () => {
    const random = randomFor(0, "moments");
    const draws = Array.from({ length: 20_000 }, () => drawColours(random));
    for (const values of [
      draws.map(({ hue }) => hue + 1),
      draws.map(({ saturation }) => saturation),
      draws.map(({ brightness }) => brightness),
    ]) {
      assert.ok(values.every((value) => value >= 0.6 && value <= 1.4));
      assert.ok(Math.abs(mean(values) - 1) < 0.008, String(mean(values)));
      const variance = mean(values.map((value) => (value - 1) ** 2));
      assert.ok(Math.abs(variance - 0.8 ** 2 / 12) < 0.002, String(variance));
    }
    // The first component, 0.1 x 55.46, carries nearly all: each channel's deviation is about 0.58 of that.
    for (const channel of [0, 1, 2]) {
      const values = draws.map(({ shift }) => shift[channel] as number);
      assert.ok(Math.abs(mean(values)) < 0.1, String(mean(values)));
      const expected = [3.167, 3.222, 3.254][channel] as number;
      const deviation = Math.sqrt(mean(values.map((value) => value ** 2)));
      assert.ok(Math.abs(deviation - expected) < 0.08, `${deviation}, ${expected}`);
    }
  });
});

describe("randomResizedCrop", () => {
  const draw = (size: PictureSize, seed: number, ranges: { scale: [number, number]; ratio: [number, number] }) =>
    randomResizedCrop(size, ranges, randomFor(seed, "crop"));

  /** Mean and deviation of the share of the area, the log ratio and the relative position. */
  function moments(boxes: readonly CropBox[], { width, height }: PictureSize): number[] {
    const quantities = [
      (box: CropBox) => (box.width * box.height) / (width * height),
      (box: CropBox) => Math.log(box.width / box.height),
      (box: CropBox) => (box.left + box.width / 2) / width,
      (box: CropBox) => (box.top + box.height / 2) / height,
    ];
    return quantities.flatMap((quantity) => {
      const values = boxes.map(quantity);
      const average = mean(values);
      return [average, Math.sqrt(mean(values.map((value) => (value - average) ** 2)))];
    });
  }

  test("is distributed as torchvision's, and falls back as it does", () => {
    const COUNT = 4000;
    const paper = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3], count: COUNT };
    const tasks = [
      { ...paper, width: 500, height: 375 },
      { ...paper, width: 240, height: 500 },
      { ...paper, width: 900, height: 300 },
      { ...paper, width: 333, height: 333, scale: [0.35, 0.8], ratio: [0.5, 0.9] },
    ];
    // Ten tries that all fail: the one crop that is left.
    const extreme = [
      { ...paper, width: 2000, height: 10, count: 3 },
      { ...paper, width: 7, height: 3001, count: 3 },
      { ...paper, width: 100, height: 100, scale: [1.5, 2], count: 3 },
      { ...paper, width: 60_000, height: 1, count: 3 },
    ];
    const all = [...tasks, ...extreme];
    askTorchvision({ boxes: all });
    const random = randomFor(0, "moments");
    for (const [i, { width, height, scale, ratio, count }] of all.entries()) {
      const size = { width, height };
      const bytes = readFileSync(at(`boxes-${i}`));
      const numbers = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      const theirs = Array.from({ length: count }, (_, k): CropBox => {
        const [top = 0, left = 0, height = 0, width = 0] = numbers.subarray(4 * k, 4 * k + 4);
        return { top, left, height, width };
      });
      const ranges = { scale: scale as [number, number], ratio: ratio as [number, number] };
      const ours = Array.from({ length: count }, () => randomResizedCrop(size, ranges, random));
      if (i >= tasks.length) {
        assert.deepEqual(ours, theirs);
        continue;
      }
      const [mine, reference] = [moments(ours, size), moments(theirs, size)];
      // Sampling error of the difference of two means or deviations of 4000: its standard deviation is at most sqrt(2 / 4000) of theirs.
      for (const [k, value] of mine.entries()) {
        const deviation = reference[k | 1] as number;
        const most = 4.5 * Math.sqrt(2 / COUNT) * Math.max(deviation, 0.02);
        assert.ok(
          Math.abs(value - (reference[k] as number)) < most,
          `${width}x${height}, moment ${k}: ${value}, torchvision ${reference[k]}`,
        );
      }
    }
  });

  test("is inside the picture, of the asked share and ratio but for rounding, or the largest centred part", () => {
    const side = fc.integer({ min: 1, max: 3000 });
    const share = fc.double({ min: 0.01, max: 1, noNaN: true });
    const ratio = fc.double({ min: 0.3, max: 3, noNaN: true });
    const range = (value: fc.Arbitrary<number>) =>
      fc.tuple(value, value).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);
    fc.assert(
      fc.property(side, side, range(share), range(ratio), fc.nat(), (width, height, scale, ratio, seed) => {
        const box = draw({ width, height }, seed, { scale, ratio });
        const { left, top } = box;
        assert.ok([left, top, box.width, box.height].every(Number.isInteger));
        assert.ok(left >= 0 && top >= 0 && left + box.width <= width && top + box.height <= height);
        assert.ok(box.width >= 1 && box.height >= 1);
        const centred = left === (width - box.width) >> 1 && top === (height - box.height) >> 1;
        const touches = box.width === width || box.height === height;
        const [least, most] = [(box.width - 0.5) * (box.height - 0.5), (box.width + 0.5) * (box.height + 0.5)];
        const within =
          most >= scale[0] * width * height - 1e-6 &&
          least <= scale[1] * width * height + 1e-6 &&
          (box.width + 0.5) / (box.height - 0.5) >= ratio[0] - 1e-9 &&
          (box.width - 0.5) / (box.height + 0.5) <= ratio[1] + 1e-9;
        assert.ok(within || (centred && touches), JSON.stringify(box));
        assert.deepEqual(draw({ width, height }, seed, { scale, ratio }), box);
      }),
      { numRuns: 500 },
    );
  });
});
