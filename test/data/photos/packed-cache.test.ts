/** The packed cache: the same pictures, only smaller; whatever happens to its files or to the source is noticed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import sharp from "sharp";
import { Loader } from "../../../src/data/loading/loader.js";
import { packPhotos } from "../../../src/data/photos/packed-cache.js";
import { photoName, readPhoto } from "../../../src/data/photos/photo-locations.js";
import { openPhotos } from "../../../src/data/sources/open.js";
import type { FormattedPhotos, PhotoSet } from "../../../src/data/photos/photo-set.js";
import { decodePicture } from "../../../src/data/pictures/picture.js";
import { KnackError } from "../../../src/base/errors.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-packed-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const at = (...path: string[]) => join(scratch, ...path);

/** A smooth pattern, another for each number. */
function picture(width: number, height: number, number: number) {
  const wave = (i: number) => 128 + 100 * Math.sin(((i % (3 * width)) * (number + 2)) / (3 * width) + (i % 3));
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => wave(i));
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** 300 pictures for training, more than one file of copies holds: large ones of several formats, a few small ones, a bad one. */
async function writePhotos(root: string): Promise<PhotoSet> {
  for (const name of ["train/a", "train/b", "val/a", "val/b"]) mkdirSync(join(root, name), { recursive: true });
  for (let i = 0; i < 300; i++) {
    const name = join(root, "train", i % 2 === 0 ? "a" : "b", String(i).padStart(3, "0"));
    if (i === 7) writeFileSync(`${name}.jpg`, "bad");
    else if (i % 50 === 3) await picture(30, 20, i).png().toFile(`${name}.png`);
    else if (i % 50 === 5) await picture(60, 90, i).withMetadata({ orientation: 6 }).jpeg().toFile(`${name}.jpg`);
    else await picture(90, 60, i).jpeg().toFile(`${name}.jpg`);
  }
  for (const name of ["a", "b"])
    await picture(9, 9, 1)
      .png()
      .toFile(join(root, "val", name, "x.png"));
  return openPhotos(root).train;
}

/** Every picture: its name, and its size or what is wrong with it. */
async function contents({ locations }: PhotoSet): Promise<string[]> {
  const found: string[] = [];
  for (let index = 0; index < locations.count; index++) {
    const name = photoName(locations, index);
    const { width, height } = await decodePicture(await readPhoto(locations, index)).catch((error) => error.message);
    found.push(`${name} ${width} ${height}`);
  }
  return found;
}

function filesIn(cache: string): string[] {
  return readdirSync(cache, { recursive: true, encoding: "utf8" })
    .filter((name) => name.includes("."))
    .sort();
}

const photos = writePhotos(at("photos"));
const options = { shorterSide: 40 };

test("large pictures become smaller, small and bad ones stay; names, labels and order too", async () => {
  const set = await photos;
  const done: number[] = [];
  const packed = await packPhotos(set, at("cache"), { ...options, seen: (count) => done.push(count) });
  assert.deepEqual(done, [256, 300]);
  assert.deepEqual([packed.labels, packed.classes, packed.count], [set.labels, set.classes, set.count]);
  const expected = (await contents(set)).map((line) => line.replace(" 90 60", " 60 40"));
  assert.deepEqual(await contents(packed), expected);
  assert.equal(expected.filter((line) => line.endsWith(" 60 40")).length, 293);

  const [large] = [...set.labels.keys()];
  const original = sharp(await readPhoto(set.locations, large as number)).resize(60, 40, { fastShrinkOnLoad: false });
  const copy = await decodePicture(await readPhoto(packed.locations, large as number));
  const pixels = await original.raw().toBuffer();
  assert.ok(pixels.every((value, i) => Math.abs(value - (copy.pixels[i] as number)) <= 4));

  const format: Omit<FormattedPhotos, keyof PhotoSet> = {
    ...{ height: 24, width: 24, channels: 3, mean: [0, 0, 0], std: [1, 1, 1] },
    evaluation: {
      size: [24, 24],
      resize: "crop",
      cropPct: 0.875,
      interpolation: "bilinear",
      channels: 3,
      mean: [0.5, 0.5, 0.5],
    },
  };
  const loader = new Loader({ ...packed, ...format }, { batchSize: 100, augmentation: "none", seed: 0, workers: 1 });
  let seen = 0;
  for await (const batch of loader.all()) seen += batch.size;
  await loader.close();
  assert.equal(seen, 299);
  assert.deepEqual([...loader.badPictures.keys()], ["train/b/007.jpg"]);
});

test("what is there is used; what is damaged, cut off or missing is made again, the same", async () => {
  const set = await photos;
  await packPhotos(set, at("cache"), options);
  const [first = "", firstSum = "", second = "", secondSum = ""] = filesIn(at("cache"));
  const bytes = readFileSync(at("cache", first));
  const again = async () => {
    await packPhotos(set, at("cache"), options);
    assert.deepEqual(filesIn(at("cache")), [first, firstSum, second, secondSum]);
    assert.deepEqual(readFileSync(at("cache", first)), bytes);
  };
  const inodes = () => filesIn(at("cache")).map((name) => statSync(at("cache", name)).ino);
  const before = inodes();
  await again();
  assert.deepEqual(inodes(), before);

  const damaged = Buffer.from(bytes);
  damaged.writeUInt8(damaged.readUInt8(5000) ^ 1, 5000);
  writeFileSync(at("cache", first), damaged);
  await again();
  assert.deepEqual(inodes().slice(2), before.slice(2));
  truncateSync(at("cache", first), 1000);
  await again();
  rmSync(at("cache", first));
  await again();
  rmSync(at("cache", firstSum));
  await again();

  const listed = spawnSync("tar", ["tf", at("cache", second)], { encoding: "utf8" });
  assert.deepEqual([listed.status, listed.stdout.split("\n")[0]], [0, "000000256.jpg"]);
  const cwd = join(at("cache", first), "..");
  const sums = [firstSum, secondSum].map((sum) => sum.slice(sum.indexOf("/") + 1));
  assert.equal(spawnSync("sha256sum", ["--check", "--strict", ...sums], { cwd }).status, 0);
});

test("a source that changed gets new copies", async () => {
  const root = at("changing");
  for (const name of ["a", "b"]) {
    mkdirSync(join(root, name), { recursive: true });
    for (let i = 0; i < 4; i++)
      await picture(90, 60, i)
        .jpeg()
        .toFile(join(root, name, `${i}.jpg`));
  }
  const open = () => openPhotos(root).train;
  const path = join(root, photoName(open().locations, 0));
  const copyOf = async () => {
    const { locations } = await packPhotos(open(), at("changes"), options);
    return readPhoto(locations, 0);
  };
  const before = await copyOf();
  assert.deepEqual(await copyOf(), before);
  await picture(90, 60, 77).jpeg().toFile(path);
  utimesSync(path, 1, 1);
  assert.notDeepEqual(await copyOf(), before);
  assert.equal(filesIn(at("changes")).length, 4);
});

test("several at once", async () => {
  const set = await photos;
  const sets = await Promise.all([1, 2, 3].map(() => packPhotos(set, at("shared"), options)));
  const [first, ...others] = await Promise.all(sets.map(contents));
  for (const other of others) assert.deepEqual(other, first);
  const files = filesIn(at("shared"));
  assert.deepEqual(files, filesIn(at("cache")));
  for (const file of files) assert.deepEqual(readFileSync(at("shared", file)), readFileSync(at("cache", file)));
});

test("pictures in tar files, and a folder that cannot be written", async () => {
  const [inside = ""] = filesIn(at("cache"));
  mkdirSync(at("shards"));
  copyFileSync(at("cache", inside), at("shards", "train.tar"));
  const labels = Array.from({ length: 256 }, (_, i) => [`${String(i).padStart(9, "0")}.cls`, i % 2] as const);
  mkdirSync(at("members"));
  spawnSync("tar", ["xf", at("shards", "train.tar"), "-C", at("members")]);
  for (const [name, label] of labels) writeFileSync(at("members", name), String(label));
  spawnSync("tar", ["cf", at("shards", "train.tar"), "--sort=name", "-C", at("members"), "."]);
  const { train } = openPhotos(at("shards", "train.tar"));
  const packed = await packPhotos(train, at("tar-cache"), { shorterSide: 20 });
  const small = (await contents(packed)).filter((line) => line.endsWith(" 30 20"));
  assert.ok(small.length > 150 && small.every((line) => line.startsWith("train.tar/")));

  writeFileSync(at("file"), "");
  await assert.rejects(
    packPhotos(train, at("file"), options),
    (error) => error instanceof KnackError && /cannot write the packed pictures in .*file/.test(error.message),
  );
  const gone = await packPhotos(train, at("gone"), { shorterSide: 20 });
  rmSync(at("gone"), { recursive: true });
  await assert.rejects(readPhoto(gone.locations, 0), /no such file or directory: its copy in .*gone/);
});
