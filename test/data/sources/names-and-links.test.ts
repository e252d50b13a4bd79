/** Class names whose accents are written in two ways, and links that lead nowhere, in everything that lists pictures. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, test } from "node:test";
import sharp from "sharp";
import { pictureFiles } from "../../../src/cli/options/picture-files.js";
import { openData, openPhotos } from "../../../src/data/sources/open.js";
import type { PhotoSource } from "../../../src/data/photos/photo-set.js";
import { checkPhotos } from "../../../src/tools/data-check/check-photos.js";
import { inputError } from "../../support/input-error.js";
import { scratchFolder } from "../../support/scratch-folder.js";

const at = scratchFolder("names");
const [NFC, NFD] = ["caf\u00e9", "cafe\u0301"];

let picture: Buffer;
before(async () => {
  picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: "gold" } })
    .jpeg()
    .toBuffer();
});

function write(folder: string, ...files: string[]): string {
  for (const file of files) {
    mkdirSync(dirname(at(folder, file)), { recursive: true });
    writeFileSync(at(folder, file), /\.jpg$/.test(file) ? picture : "");
  }
  return at(folder);
}

function pack(folder: string, tar: string): void {
  execFileSync("sh", ["-c", 'cd "$1" && tar -cf "$2" *', "sh", folder, tar]);
}

function counts({ train, validation }: PhotoSource): number[][] {
  return [train, validation].map(({ labels, classes }) =>
    classes.map((_, label) => labels.filter((each) => each === label).length),
  );
}

for (const [what, train, validation] of [
  ["NFC in train, NFD in val", NFC, NFD],
  ["NFD in train, NFC in val", NFD, NFC],
] as const) {
  test(`folders: ${what}`, () => {
    const files = [`train/${train}/1.jpg`, "train/tea/1.jpg", `val/${validation}/1.jpg`, "val/tea/1.jpg"];
    const source = openPhotos(write(what, ...files));
    assert.deepEqual(source.train.classes, [NFC, "tea"]);
    assert.deepEqual(counts(source), [
      [1, 1],
      [1, 1],
    ]);
  });
}

test("folders: side by side they are one class", async () => {
  const files = [
    `${NFC}/1.jpg`,
    `${NFC}/2.jpg`,
    `${NFD}/1.jpg`,
    `${NFD}/3.jpg`,
    ...[1, 2, 3, 4].map((i) => `tea/${i}.jpg`),
  ];
  const source = openPhotos(write("beside", ...files), { validation: 0.25 });
  assert.deepEqual(source.train.classes, [NFC, "tea"]);
  assert.deepEqual(counts(source), [
    [3, 3],
    [1, 1],
  ]);
  const { classes, unreadable } = await checkPhotos(source);
  assert.deepEqual([classes.map(({ name }) => name), unreadable], [[NFC, "tea"], []]);
});

test("a table's labels", () => {
  write("table", "1.jpg", "2.jpg", "3.jpg", "4.jpg");
  const rows = [`1.jpg,${NFC},train`, "2.jpg,tea,train", `3.jpg,${NFD},val`, "4.jpg,tea,val"];
  writeFileSync(at("table.csv"), rows.map((row) => `table/${row}\n`).join(""));
  const source = openPhotos(at("table.csv"));
  assert.deepEqual(source.train.classes, [NFC, "tea"]);
  assert.deepEqual(counts(source), [
    [1, 1],
    [1, 1],
  ]);
});

test("tar files' labels, and classes.txt", () => {
  const labels = { "0.jpg": NFC, "1.jpg": NFD, "2.jpg": "tea", "3.jpg": "tea" };
  for (const [name, label] of Object.entries(labels)) {
    write("shard", name);
    writeFileSync(at("shard", name.replace("jpg", "cls")), label);
  }
  pack(at("shard"), at("photos.tar"));
  const split = { validation: 0.5 };
  assert.deepEqual(openPhotos(at("photos.tar"), split).train.classes, [NFC, "tea"]);
  writeFileSync(at("classes.txt"), `tea\n${NFD}\n`);
  assert.deepEqual(openPhotos(at("photos.tar"), split).train.classes, ["tea", NFC]);
});

test("a folder whose name is not UTF-8 is said to be so, wherever it is", () => {
  const bytes = (...path: string[]) => Buffer.from(path.join("/"), "latin1");
  for (const place of ["caf\xe9", "a/caf\xe9"]) {
    const folder = write(`latin1-${place.length}`, "a/1.jpg", "b/1.jpg");
    mkdirSync(bytes(folder, place));
    writeFileSync(bytes(folder, place, "1.jpg"), picture);
    const said = inputError(/cannot list the folder ".*caf\ufffd": its name is not UTF-8, rename it/);
    assert.throws(() => openData(folder), said);
    assert.throws(() => openPhotos(folder), said);
    assert.throws(() => pictureFiles([folder]), said);
  }
});

test("links in circles, to nowhere and to files are no folders of pictures, wherever they are", async () => {
  const folder = write("links", "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/deep/3.jpg");
  for (const place of ["", "a", "b", "b/deep"]) {
    symlinkSync("self", join(folder, place, "self"));
    symlinkSync("pong", join(folder, place, "ping"));
    symlinkSync("ping", join(folder, place, "pong"));
    symlinkSync("nowhere", join(folder, place, "dangling"));
    symlinkSync("1.jpg/inside", join(folder, place, "no-folder"));
    if (place !== "") symlinkSync("..", join(folder, place, "up"));
  }
  const source = openData(folder) as PhotoSource;
  assert.equal(source.train.count + source.validation.count, 5);
  assert.deepEqual((await checkPhotos(source)).unreadable, []);
  assert.deepEqual(
    pictureFiles([folder]).map((path) => path.slice(folder.length + 1)),
    ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/deep/3.jpg"],
  );
});

test("links among the splits and the tar files", () => {
  const folder = write("split-links", "train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg");
  for (const place of ["", "train", "val"]) symlinkSync("self", join(folder, place, "self"));
  assert.equal((openData(folder) as PhotoSource).train.count, 2);

  const shards = write("shard-links", "ignored.txt");
  for (const name of ["self", "classes.txt"]) symlinkSync(name, join(shards, name));
  for (const name of ["0", "1", "2", "3"]) {
    write("linked-shard", `${name}.jpg`);
    writeFileSync(at("linked-shard", `${name}.cls`), Number(name) % 2 ? "odd" : "even");
  }
  pack(at("linked-shard"), join(shards, "photos.tar"));
  assert.deepEqual((openData(shards) as PhotoSource).train.classes, ["even", "odd"]);
});

test("a link in a circle as the data, or as a picture, is said to be nothing", () => {
  symlinkSync("circle", at("circle"));
  assert.throws(() => openData(at("circle")), inputError(/^no data set or folder ".*circle"/));
  assert.throws(() => openPhotos(at("circle")), inputError(/^there is no ".*circle"/));
  assert.deepEqual(pictureFiles([at("circle")]), [at("circle")]);
});
