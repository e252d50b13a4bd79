/** What people add to the data room is one file and one line in a list: a source of data, an augmentation. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import sharp from "sharp";
import type { Augmenter } from "../../src/data/augment/augmenter.js";
import { augmentInto } from "../../src/data/augment/image-transform.js";
import {
  AUGMENTATION_SWITCHES,
  AUGMENTERS,
  augmentationDefaults,
  augmentationSchema,
  together,
} from "../../src/data/augment/index.js";
import { trainingPixels } from "../../src/data/augment/photo-transform.js";
import { dataSource, type ImagesAndLabels } from "../../src/data/image-set.js";
import { kindOf } from "../../src/data/kinds/kinds.js";
import { SOURCES } from "../../src/data/sources/index.js";
import { openAs, openData } from "../../src/data/sources/open.js";
import type { SourceFormat } from "../../src/data/sources/source.js";
import { addRecipeOptions } from "../../src/cli/options/recipe-options.js";
import { count, section } from "../../src/settings/schema.js";
import { randomFor } from "../../src/tensor/random.js";
import { Command } from "commander";
import { inputError } from "../support/input-error.js";
import { repositoryRoot } from "../support/oracle.js";
import { randomData } from "../support/random-data.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-new-parts-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** "012.digits": the file's digits are the labels of images of one grey pixel each. */
const digits: SourceFormat = {
  name: "digits",
  words: "a .digits file",
  holdsOut: "digits",
  recognises: ({ spec, exists }) => exists && spec.endsWith(".digits"),
  open({ spec }, { holdOut }) {
    const labels = Int32Array.from(readFileSync(spec, "latin1"), Number);
    const of = (labels: Int32Array): ImagesAndLabels => ({ pixels: Uint8Array.from(labels, (n) => 10 * n), labels });
    const held = holdOut === undefined ? labels : labels.filter((label) => label === Number(holdOut));
    const shape = { height: 1, width: 1, channels: 1 } as const;
    const classes = Array.from({ length: 10 }, (_, i) => String(i));
    return dataSource({ name: "digits", folder: spec, classes }, shape, { train: of(labels), validation: of(held) });
  },
};

describe("a source of data", () => {
  const sources = [...SOURCES, digits];
  const file = join(scratch, "some.digits");
  writeFileSync(file, "0123012301230123");

  test("opens what it recognises, with all that is selected of it", () => {
    const { train, validation, description } = openAs(sources, file, { holdOut: "3", trainShare: 0.5 });
    assert.deepEqual([train.count, train.classes.length, [...validation.labels]], [8, 10, [3, 3, 3, 3]]);
    assert.match(description, /^digits: 16 training .*8 of the training images are used$/);
  });

  test("is named where nothing is recognised, and where nothing can be held out", () => {
    const words = sources.map(({ words }) => words);
    const nowhere = () => openAs(sources, join(scratch, "nowhere"));
    assert.throws(nowhere, inputError(/understood are "fashion-mnist", .* tar files \(.*\), or a \.digits file$/));
    for (const each of words) assert.throws(nowhere, (error: Error) => error.message.includes(each));
    const held = () => openAs(sources, "nowhere", { holdOut: "x" });
    assert.throws(held, inputError(/"nowhere" is no folder of CIFAR binary files or digits, and only their files/));
    assert.throws(() => openData(file), inputError(/is a file, not a folder: understood are/));
  });

  test("the words of those there are", () => {
    assert.throws(() => openData("nowhere"), {
      message:
        'no data set or folder "nowhere": understood are "fashion-mnist", ' +
        "a folder of MNIST-style IDX files (train-images-idx3-ubyte, ...), " +
        "a folder of CIFAR-10 or CIFAR-100 binary files (data_batch_1.bin, ... or train.bin), " +
        "a folder of photographs (CLASS/picture.jpg or train/CLASS/picture.jpg), a .csv file of path,label, " +
        'or WebDataset tar files ("shards-{000..012}.tar")',
    });
  });

  test("every file of a source is in the list", () => {
    const files = readdirSync(join(repositoryRoot, "src", "data", "sources"), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name.replace(".ts", ""));
    const others = ["index", "open", "open-grouped", "read-files", "source"];
    assert.deepEqual(files.filter((name) => !others.includes(name)).sort(), SOURCES.map(({ name }) => name).sort());
  });
});

describe("an augmentation", () => {
  const settings = {
    /** Pixels of an image's first row that are made white, from a random one on. */
    stripe: count,
  };
  const stripe: Augmenter<typeof settings> = {
    settings,
    defaults: { stripe: 2 },
    switches: [{ flags: "--stripe <pixels>", help: "a white stripe", key: "augmentation.stripe", reads: "number" }],
    photograph: (change, { stripe }, random) => void change.further?.push(draw(stripe, random.integer(3))),
    smallImage: (change, { stripe }, random) => void change.further.push(draw(stripe, random.integer(3))),
  };
  const draw =
    (stripe: number, first: number) =>
    (pixels: Uint8Array, { channels }: { channels: number }) =>
      void pixels.fill(255, first * channels, (first + stripe) * channels);
  const augmenters = [...AUGMENTERS, stripe];

  test("brings its settings, defaults and switches", () => {
    const { shape, defaults, switches } = together(augmenters);
    assert.deepEqual(defaults, { ...augmentationDefaults, stripe: 2 });
    assert.deepEqual(section(shape).parse(defaults), defaults);
    const wrong = section(shape).safeParse({ ...defaults, stripe: 0 });
    assert.equal(wrong.error?.issues[0]?.message, "must be a whole number above 0, not 0");
    assert.deepEqual(
      switches.filter(({ key }) => !AUGMENTATION_SWITCHES.some((each) => each.key === key)),
      stripe.switches,
    );
  });

  test("acts on small images and photographs after those that are there, which draw as without it", async () => {
    const image = Uint8Array.from({ length: 25 }, (_, i) => i);
    const shape = { height: 5, width: 5, channels: 1 } as const;
    const wanted = { ...augmentationDefaults, crop: 1, stripe: 2 };
    const small = (list: readonly Augmenter[] | undefined) => {
      const out = new Uint8Array(25);
      augmentInto(out, image, shape, wanted, randomFor(1), list);
      return out;
    };
    const picture = await sharp({ create: { width: 30, height: 20, channels: 3, background: "teal" } })
      .png()
      .toBuffer();
    const photograph = (list: readonly Augmenter[] | undefined) =>
      trainingPixels(picture, { size: [8, 8], resize: "crop", channels: 3, mean: [0, 0, 0] }, wanted, randomFor(2), {
        augmenters: list,
      });
    for (const [plain, striped, channels] of [
      [small(undefined), small(augmenters), 1],
      [await photograph(undefined), await photograph(augmenters), 3],
    ] as const) {
      const changed = [...striped.keys()].filter((i) => striped[i] !== plain[i]);
      assert.equal(new Set(changed.map((i) => Math.floor(i / channels))).size, 2);
      assert.ok(changed.every((i) => i < 5 * channels && striped[i] === 255));
    }
  });

  test("the schema, the defaults and the switches of those there are", () => {
    assert.deepEqual(Object.entries(augmentationDefaults), [
      ["crop", 4],
      ["flip", true],
      ["scale", [0.08, 1]],
      ["ratio", [3 / 4, 4 / 3]],
      ["jitter", 0.4],
      ["lighting", 0.1],
    ]);
    assert.deepEqual(augmentationSchema.parse(augmentationDefaults), augmentationDefaults);
    const offered = addRecipeOptions(new Command()).options.filter((option) =>
      AUGMENTATION_SWITCHES.some(({ flags }) => flags === option.flags),
    );
    assert.deepEqual(
      offered.map(({ flags, description }) => [flags, description]),
      AUGMENTATION_SWITCHES.map(({ flags, help }) => [flags, help]),
    );
  });

  test("every file of an augmentation is in the list", () => {
    const files = readdirSync(join(repositoryRoot, "src", "data", "augment")).map((name) => name.replace(".ts", ""));
    const others = ["augmenter", "image-transform", "index", "photo-transform"];
    assert.equal(files.filter((name) => !others.includes(name)).length, AUGMENTERS.length);
  });
});

test("a set that a program built has no tag, and is asked as images in memory, also in another thread", async () => {
  const { train } = randomData(6, 4);
  for (const set of [train, structuredClone(train)]) {
    const kind = kindOf(set);
    assert.equal(kind.nameOf(set, 1), undefined);
    assert.deepEqual([kind.inputFormat(set)?.height, kind.defaultWorkers()], [4, 0]);
    const bytes = 4 * 4 * 3;
    const chosen = kind.select(set, Uint32Array.of(5, 0));
    assert.deepEqual([...chosen.labels], [set.labels[5], set.labels[0]]);
    assert.deepEqual(chosen.pixels.subarray(0, bytes), set.pixels.subarray(5 * bytes));
    await assert.rejects(kind.cached(set, scratch), inputError(/only photographs are cached/));
  }
});
