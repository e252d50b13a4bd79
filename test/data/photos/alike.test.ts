/** Pictures that look alike are found, and are in one part of a split; others are not. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { before, test } from "node:test";
import sharp from "sharp";
import { alikeGroups } from "../../../src/data/photos/alike.js";
import { alikePhotos } from "../../../src/data/photos/alike-photos.js";
import { photoName } from "../../../src/data/photos/photo-locations.js";
import { openPhotos } from "../../../src/data/sources/open.js";
import { openGrouped } from "../../../src/data/sources/open-grouped.js";
import { LOOK_BYTES, pictureLook } from "../../../src/data/pictures/picture-look.js";
import { checkPhotos } from "../../../src/tools/data-check/check-photos.js";
import { randomFor } from "../../../src/tensor/random.js";
import { scratchFolder } from "../../support/scratch-folder.js";
import { numbered } from "../../support/tiny-photos.js";

const at = scratchFolder("alike");

/** A picture of smooth colours of its own, large enough to be made smaller. */
async function scene(name: string): Promise<Buffer> {
  const random = randomFor(0, "scene", name);
  const coarse = Buffer.from(Array.from({ length: 6 * 5 * 3 }, () => random.integer(256)));
  return sharp(coarse, { raw: { width: 6, height: 5, channels: 3 } })
    .resize(240, 200, { kernel: "cubic" })
    .png()
    .toBuffer();
}

async function groupsOf(pictures: readonly Buffer[]): Promise<number[]> {
  const looks = await Promise.all(pictures.map((bytes) => pictureLook(bytes)));
  const all = new Uint8Array(looks.length * LOOK_BYTES);
  for (const [index, look] of looks.entries()) all.set(look, index * LOOK_BYTES);
  return [...alikeGroups(all, new Uint8Array(looks.length).fill(1))];
}

test("copies are alike: saved anew, of half and of another size, brighter, of lower contrast, turned by EXIF; no two scenes are", async () => {
  const scenes = await Promise.all(Array.from({ length: 40 }, (_, i) => scene(`scene ${i}`)));
  assert.deepEqual(await groupsOf(scenes), [...scenes.keys()]);
  const [first] = scenes as [Buffer];
  const turned = await sharp(first).rotate(90).toBuffer();
  const copies = [
    sharp(first).jpeg({ quality: 30 }),
    sharp(first).resize(120),
    sharp(first).resize(224, 224, { fit: "fill" }).webp(),
    sharp(first).linear(0.9, 20),
    sharp(turned).jpeg().withMetadata({ orientation: 8 }),
  ];
  const found = await groupsOf([...scenes, ...(await Promise.all(copies.map((copy) => copy.toBuffer())))]);
  assert.deepEqual(found.slice(scenes.length), [0, 0, 0, 0, 0]);
});

test("plain pictures are alike where their colour is; a picture and its negative, or in another colour, are not", async () => {
  const plain = (r: number, g: number, b: number) =>
    sharp({ create: { width: 64, height: 48, channels: 3, background: { r, g, b } } })
      .jpeg()
      .toBuffer();
  const found = await groupsOf([
    await plain(200, 30, 30),
    await plain(30, 200, 30),
    await plain(200, 30, 31),
    await scene("one"),
    await sharp(await scene("one"))
      .negate()
      .toBuffer(),
    await sharp(await scene("one"))
      .tint({ r: 255, g: 60, b: 0 })
      .toBuffer(),
  ]);
  assert.deepEqual(found, [0, 1, 0, 3, 4, 5]);
});

test("the same order of brightness is not enough: cells must fit, and colours too", () => {
  const look = (cell: (at: number) => number, colours: readonly number[]) => [
    ...Array.from({ length: 81 }, (_, at) => cell(at)),
    ...colours,
  ];
  const looks = [
    look((at) => 20 + 2 * at, [100, 100, 100]),
    look((at) => 3 * at, [120, 120, 120]), // more contrast
    look((at) => 20 + 2 * at + (at > 40 ? 50 : 0), [125, 125, 125]), // a step in it
    look((at) => 20 + 2 * at, [150, 80, 40]),
  ];
  const found = alikeGroups(Uint8Array.from(looks.flat()), new Uint8Array(looks.length).fill(1));
  assert.deepEqual([...found], [0, 0, 2, 3]);
});

test("many pictures are compared in little time, also where all have one hash", () => {
  const random = randomFor(0, "looks");
  const count = 30_000;
  const looks = Uint8Array.from({ length: count * LOOK_BYTES }, () => random.integer(256));
  const known = new Uint8Array(count).fill(1);
  assert.deepEqual([...alikeGroups(looks, known)], [...known.keys()]);
  const plain = looks.map((_, place) => (place % LOOK_BYTES < 81 ? 100 : 100 + (Math.floor(place / LOOK_BYTES) % 50)));
  assert.equal(new Set(alikeGroups(plain, known)).size, 1, "from one colour to the next it is little");
  assert.equal(new Set(alikeGroups(plain, new Uint8Array(count))).size, count, "unknown ones are alone");
});

const names = (set: { count: number; locations: Parameters<typeof photoName>[0] }) =>
  Array.from({ length: set.count }, (_, index) => photoName(set.locations, index));

before(async () => {
  for (const name of ["ant", "bee"].flatMap((label) => numbered(label, 20))) {
    mkdirSync(dirname(at("photos", name)), { recursive: true });
    await sharp(await scene(name))
      .jpeg()
      .toFile(at("photos", name));
  }
  for (let index = 0; index < 8; index++) {
    const from = at("photos", numbered("ant", 1, index)[0] as string);
    await sharp(from)
      .resize(160)
      .jpeg({ quality: 80 })
      .toFile(at("photos/ant", `copy-${index}.jpg`));
  }
  writeFileSync(at("photos/bee/broken.jpg"), "\xff\xd8\xff no picture");
});

test("where pictures are held out by chance, copies are where their originals are, and it is said", async () => {
  const plain = openPhotos(at("photos"));
  const torn = (source: typeof plain) => {
    const held = new Set(names(source.validation));
    return [0, 1, 2, 3, 4, 5, 6, 7].filter((i) => held.has(`ant/0${i}.jpg`) !== held.has(`ant/copy-${i}.jpg`)).length;
  };
  assert.ok(torn(plain) > 0, "or the test shows nothing");
  const cache = at("cache");
  const open = async (split = {}, options = {}) => {
    const source = await openGrouped(at("photos"), { split }, { cache, ...options });
    assert.ok(source && "kind" in source);
    return source;
  };
  for (const seed of [0, 1, 2, 3]) assert.equal(torn(await open({ seed })), 0);
  assert.match((await open()).description, /; 8 groups of pictures that look alike \(16\) kept together/);
  const apart = await open({ duplicatesApart: true });
  assert.deepEqual(names(apart.validation), names(plain.validation));
  assert.doesNotMatch(apart.description, /look alike/);
  const alone = await openGrouped(at("photos"), { split: { validation: 0.3 }, held: { validation: ["ant/00.jpg"] } });
  assert.ok(alone && "kind" in alone);
  assert.deepEqual(names(alone.validation), ["ant/00.jpg"]);
});

test("a picture is decoded once, whatever becomes of the cache; what stops is begun where it was", async () => {
  const { train, validation } = openPhotos(at("photos"));
  const cache = at("kept");
  let begun = 0;
  const found = (more = {}) => alikePhotos([train, validation], { cache, begin: () => begun++, ...more });
  let asked = 0;
  assert.equal(await found({ shouldStop: () => asked++ > 20 }), undefined);
  const whole = await found();
  assert.equal(whole?.size, 16);
  assert.equal(begun, 2);
  // The broken one is looked at each time.
  rmSync(at("photos/bee/broken.jpg"));
  assert.deepEqual(await found(), whole);
  assert.equal(begun, 2);
  const [file] = readdirSync(cache);
  const bytes = readFileSync(at("kept", file as string));
  bytes[100] = (bytes[100] as number) ^ 1;
  writeFileSync(at("kept", file as string), bytes);
  assert.deepEqual(await found(), whole);
  assert.equal(begun, 3);
  writeFileSync(at("no-folder"), "");
  assert.deepEqual(await found({ cache: at("no-folder/cache") }), whole);
  mkdirSync(at("other"));
  await sharp(at("photos/ant/05.jpg")).negate().toFile(at("other/5.jpg"));
  writeFileSync(at("photos/ant/copy-5.jpg"), readFileSync(at("other/5.jpg")));
  assert.equal((await found())?.size, 14);
});

test("data check lists pictures that look alike beside those of one file", async () => {
  writeFileSync(at("photos/ant/same.jpg"), readFileSync(at("photos/ant/00.jpg")));
  const source = openPhotos(at("photos"));
  const { duplicates, alike } = await checkPhotos(source, {
    alike: await alikePhotos([source.train, source.validation], { cache: at("kept") }),
  });
  const listed = (groups: typeof alike) => groups.map(({ pictures }) => pictures.map(({ name }) => name).sort());
  assert.deepEqual(listed(duplicates), [["ant/00.jpg", "ant/same.jpg"]]);
  assert.equal(alike.length, 7);
  assert.ok(listed(alike).some((group) => group.length === 2 && group.includes("ant/copy-0.jpg")));
});
