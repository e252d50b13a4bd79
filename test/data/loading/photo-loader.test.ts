/** Batches of photographs: the same bits whoever makes them, and bad pictures that stop nothing, hide nowhere and hang nothing. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import { BadPictures } from "../../../src/data/loading/bad-pictures.js";
import { balancedOrder } from "../../../src/data/sampling/epoch-order.js";
import { type Batch, Loader, type LoaderOptions } from "../../../src/data/loading/loader.js";
import { photoName } from "../../../src/data/photos/photo-locations.js";
import { openPhotos } from "../../../src/data/sources/open.js";
import type { FormattedPhotos, PhotoSet } from "../../../src/data/photos/photo-set.js";
import { KnackError } from "../../../src/base/errors.js";
import { randomFor } from "../../../src/tensor/random.js";
import { type OddFolder, writeOddFolder } from "../../support/bad-pictures.js";
import { inputError } from "../../support/input-error.js";
import { repositoryRoot } from "../../support/oracle.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-loader-"));
const at = (...path: string[]) => join(scratch, ...path);
after(() => rmSync(scratch, { recursive: true, force: true }));

const SIZE = 16;
const AUGMENTATION = {
  crop: 0,
  flip: true,
  scale: [0.08, 1],
  ratio: [3 / 4, 4 / 3],
  jitter: 0.4,
  lighting: 0.1,
} as const;

function formatted(set: PhotoSet): FormattedPhotos {
  const evaluation = {
    size: [SIZE, SIZE],
    resize: "crop",
    cropPct: 0.875,
    interpolation: "bilinear",
    channels: 3,
    mean: [0.5, 0.5, 0.5],
  } as const;
  return { ...set, height: SIZE, width: SIZE, channels: 3, mean: [0, 0, 0], std: [1, 1, 1], evaluation };
}

/** Runs `body` with a loader that is closed afterwards. */
async function withLoader<T>(set: PhotoSet, options: Partial<LoaderOptions>, body: (loader: Loader) => Promise<T>) {
  const defaults = { batchSize: 8, augmentation: AUGMENTATION, seed: 0, workers: 0 };
  const loader = new Loader(formatted(set), { ...defaults, ...options });
  try {
    return await body(loader);
  } finally {
    await loader.close();
  }
}

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

let folders = 0;
/** FOLDER/{train,val}/CLASS/I.png: plain pictures of `levels` per class and file; those of level -1 are no pictures. */
async function writeFolder(classes: Record<string, readonly number[]>): Promise<string> {
  const root = at(`set-${folders++}`);
  for (const split of ["train", "val"]) {
    for (const [name, levels] of Object.entries(classes)) {
      mkdirSync(join(root, split, name), { recursive: true });
      for (const [i, level] of levels.entries()) {
        const background = { r: level, g: level, b: level };
        const create = { width: 20 + (i % 7), height: 24, channels: 3, background } as const;
        const bytes = level < 0 ? "no picture" : await sharp({ create }).png().toBuffer();
        writeFileSync(join(root, split, name, `${String(i).padStart(3, "0")}.png`), bytes);
      }
    }
  }
  return root;
}

describe("the folder of odd files", () => {
  let odd: OddFolder;
  let train: PhotoSet;
  let validation: PhotoSet;
  /** Names of the bad pictures of a split. */
  const badOf = ({ locations, count }: PhotoSet): string[] => {
    const bad = new Set(odd.files.filter(({ expected }) => expected === "bad").map(({ name }) => name));
    return Array.from({ length: count }, (_, i) => photoName(locations, i)).filter((name) => bad.has(name));
  };

  before(async () => {
    odd = await writeOddFolder(at("odd"), 400);
    ({ train, validation } = openPhotos(odd.folder));
  });

  test("an epoch has the same bits with 0, 1 and 3 workers, full batches, and every bad picture in the list", async () => {
    const bad = badOf(train);
    assert.ok(bad.length >= 10, `${bad.length} bad pictures for training`);
    const results = [];
    for (const workers of [0, 1, 3]) {
      results.push(
        await withLoader(train, { workers, batchSize: 32 }, async (loader) => {
          const batches = [...(await collect(loader.epoch(0))), ...(await collect(loader.epoch(1)))];
          assert.equal(batches.length, 2 * loader.batchesPerEpoch);
          for (const { size, labels, pixels } of batches) {
            assert.deepEqual([size, labels.length, pixels.length], [32, 32, 32 * SIZE * SIZE * 3]);
          }
          // libvips keeps its complaints in one place for all threads: what it says may be lost or another picture's.
          for (const [name, reason] of loader.badPictures) {
            assert.ok(reason.includes(JSON.stringify(name)) && !reason.includes("\n"), reason);
          }
          return { batches, bad: [...loader.badPictures.keys()] };
        }),
      );
    }
    assert.deepEqual(results[1], results[0]);
    assert.deepEqual(results[2], results[0]);
    // The last partial batch is dropped, and another one in each epoch.
    assert.deepEqual(results[0]?.bad.toSorted(), bad.sort());
  });

  test("labels belong to what is seen, also where it stands for a bad picture", async () => {
    const augmentation = { ...AUGMENTATION, jitter: 0, lighting: 0 };
    await withLoader(train, { batchSize: 32, augmentation }, async (loader) => {
      for await (const { labels, pixels } of loader.epoch(0)) {
        for (const [i, label] of labels.entries()) {
          const image = pixels.subarray(i * SIZE * SIZE * 3, (i + 1) * SIZE * SIZE * 3);
          const level = image.reduce((sum, value) => sum + value, 0) / image.length;
          assert.equal(level < 105 ? "dark" : "bright", train.classes[label], `mean ${level}`);
        }
      }
      assert.ok(loader.badPictures.size > 0);
    });
  });

  test("an epoch left early and resumed goes on with the same bits", async () => {
    await withLoader(train, { workers: 2 }, async (loader) => {
      const whole = await collect(loader.epoch(3));
      const first: Batch[] = [];
      for await (const batch of loader.epoch(3)) {
        first.push(batch);
        if (first.length === 5) break;
      }
      assert.deepEqual([...first, ...(await collect(loader.epoch(3, 5)))], whole);
      assert.deepEqual((await collect(loader.epoch(3, whole.length - 1)))[0], whole.at(-1));
      assert.notDeepEqual((await collect(loader.epoch(4)))[0]?.pixels, whole[0]?.pixels);
    });
  });

  test("all() gives each picture once, in order, and leaves bad ones out", async () => {
    const bad = badOf(validation);
    assert.ok(bad.length > 0);
    const results = [];
    for (const workers of [0, 2]) {
      results.push(
        await withLoader(validation, { workers, augmentation: "none" }, async (loader) => {
          const batches = await collect(loader.all());
          assert.deepEqual([...loader.badPictures.keys()].sort(), bad.sort());
          return batches;
        }),
      );
    }
    assert.deepEqual(results[1], results[0]);
    const expected = [...validation.labels].filter((_, i) => !bad.includes(photoName(validation.locations, i)));
    const batches = results[0] ?? [];
    assert.deepEqual(
      batches.flatMap(({ labels }) => [...labels]),
      expected,
    );
    for (const { pixels, size } of batches) assert.equal(pixels.length, size * SIZE * SIZE * 3);
  });

  test('the policy "fail" names the picture', async () => {
    for (const workers of [0, 2]) {
      await withLoader(
        train,
        { workers, badPictures: new BadPictures(train.name, train.count, "fail") },
        async (loader) => {
          await assert.rejects(collect(loader.epoch(0)), inputError(/the picture "bright\/.*--on-bad-image skip$/));
        },
      );
    }
  });

  test("knack train goes through to the end and writes all bad files down", () => {
    const command = join(repositoryRoot, "bin/knack.js");
    const options = "--model mobilenetv1_025 --image-size 32 --epochs 2 --batch-size 32 --workers 2".split(" ");
    const run = at("run");
    const { status, stderr } = spawnSync(process.execPath, [command, "train", odd.folder, ...options, "--out", run], {
      encoding: "utf8",
      env: { ...process.env, OMP_NUM_THREADS: "1" },
    });
    assert.equal(status, 0, stderr);
    const bad = JSON.parse(readFileSync(join(run, "bad-pictures.json"), "utf8"));
    assert.deepEqual(Object.keys(bad).sort(), [...badOf(train), ...badOf(validation)].sort());
  });
});

describe("bad pictures", () => {
  test("more than 5 % of them are an error, that many are not", async () => {
    const levels = Array.from({ length: 60 }, (_, i) => (i % 20 === 3 ? -1 : 90));
    const { train } = openPhotos(await writeFolder({ a: levels, b: levels }));
    const two = openPhotos(await writeFolder({ a: levels, b: levels.with(0, -1) }));
    for (const workers of [0, 2]) {
      await withLoader(train, { workers, batchSize: 120 }, async (loader) => {
        assert.equal((await collect(loader.epoch(0)))[0]?.size, 120);
        assert.equal(loader.badPictures.size, 6);
      });
      await withLoader(two.train, { workers, batchSize: 120 }, async (loader) => {
        const message =
          /^set-\d+ train: 7 of 120 pictures cannot be read, more than 5 %, as: the picture "train\/.*knack data check and --max-bad-images$/;
        await assert.rejects(collect(loader.epoch(0)), inputError(message));
      });
      await withLoader(two.validation, { workers, augmentation: "none" }, async (loader) => {
        await assert.rejects(collect(loader.all()), inputError(/7 of 120 pictures cannot be read/));
      });
    }
  });

  test("a batch of nothing but bad pictures is full of others", async () => {
    const levels = Array.from({ length: 100 }, () => 90);
    const { train } = openPhotos(await writeFolder({ a: levels.with(7, -1).with(50, -1), b: levels }));
    for (const workers of [0, 1]) {
      await withLoader(train, { workers, batchSize: 1 }, async (loader) => {
        const batches = await collect(loader.epoch(0));
        assert.deepEqual(
          batches.map(({ size, index }) => [size, index]),
          Array.from({ length: 200 }, (_, i) => [1, i]),
        );
        assert.deepEqual([...loader.badPictures.keys()].sort(), ["train/a/007.png", "train/a/050.png"]);
      });
    }
  });

  test("where none can be read, the error says so", async () => {
    const { train } = openPhotos(await writeFolder({ a: [-1, -1], b: [-1, -1] }));
    for (const workers of [0, 2]) {
      await withLoader(train, { workers, batchSize: 2 }, async (loader) => {
        const message = /train: of 21 pictures tried none can be read, as: the picture "train\/.*see knack data check$/;
        await assert.rejects(collect(loader.epoch(0)), inputError(message));
      });
    }
  });

  test("photographs deleted meanwhile are bad pictures", async () => {
    const levels = Array.from({ length: 40 }, () => 90);
    const root = await writeFolder({ a: levels, b: levels });
    const { train } = openPhotos(root);
    for (const workers of [0, 2]) {
      await withLoader(train, { workers }, async (loader) => {
        for (const name of ["a/000.png", "b/013.png"]) rmSync(join(root, "train", name), { force: true });
        assert.ok((await collect(loader.epoch(0))).every(({ size }) => size === 8));
        assert.deepEqual([...loader.badPictures.keys()].sort(), ["train/a/000.png", "train/b/013.png"]);
        assert.match(loader.badPictures.get("train/a/000.png") ?? "", /no such file or directory/);
      });
    }
    rmSync(join(root, "train"), { recursive: true });
    for (const workers of [0, 2]) {
      await withLoader(train, { workers }, async (loader) => {
        await assert.rejects(collect(loader.epoch(0)), inputError(/no such file or directory/));
      });
    }
  });

  test("a fault that is no picture's reaches the caller, and the worker lives on", async () => {
    const { train } = openPhotos(await writeFolder({ a: [90, 90], b: [90, 90] }));
    // Names that end where no bytes are: nothing that a data set could be.
    const broken = { ...train, locations: { ...train.locations, nameEnds: new Uint32Array([1e9, 2e9, 3e9, 4e9]) } };
    for (const workers of [0, 1]) {
      await withLoader(broken, { workers, batchSize: 2 }, async (loader) => {
        const failed = (error: unknown) => {
          assert.ok(error instanceof Error);
          if (workers > 0) assert.ok(error instanceof KnackError && /^loader worker 1 failed: /.test(error.message));
          return true;
        };
        await assert.rejects(collect(loader.epoch(0)), failed);
        await assert.rejects(collect(loader.epoch(1)), failed);
      });
    }
  });
});

describe("balanced sampling", () => {
  test("has each class equally often, and each picture of a class before any again", () => {
    const labels = Int32Array.from({ length: 120 }, (_, i) => (i < 100 ? 0 : i < 117 ? 2 : 3));
    const order = balancedOrder(labels, 5, randomFor(0, "order"));
    const counts = new Uint32Array(120);
    for (const index of order) counts[index] = (counts[index] as number) + 1;
    const ofClass = (label: number) => [...counts].filter((_, index) => labels[index] === label);
    for (const label of [0, 2, 3]) {
      const times = ofClass(label);
      assert.equal(
        times.reduce((sum, each) => sum + each, 0),
        40,
      );
      assert.ok(Math.max(...times) - Math.min(...times) <= 1, `${label}: ${times}`);
    }
    // Any three in a row that begin a turn are of the three classes.
    for (let i = 0; i < 120; i += 3) {
      assert.deepEqual(new Set(Array.from(order.subarray(i, i + 3), (index) => labels[index])), new Set([0, 2, 3]));
    }
  });

  test("repeats in an epoch are changed anew, whatever the number of workers", async () => {
    const root = await writeFolder({ many: Array.from({ length: 38 }, (_, i) => i), few: [200, 220] });
    const { train } = openPhotos(root);
    const epochs = [];
    for (const workers of [0, 2]) {
      epochs.push(
        await withLoader(train, { workers, sampling: "balanced" }, async (loader) => collect(loader.epoch(0))),
      );
    }
    assert.deepEqual(epochs[1], epochs[0]);
    const few = train.classes.indexOf("few");
    const images = (epochs[0] ?? []).flatMap(({ labels, pixels }) =>
      [...labels.keys()]
        .filter((i) => labels[i] === few)
        .map((i) => Buffer.from(pixels.subarray(i * SIZE * SIZE * 3, (i + 1) * SIZE * SIZE * 3)).toString("hex")),
    );
    assert.equal(images.length, 20);
    assert.equal(new Set(images).size, 20);
  });
});
