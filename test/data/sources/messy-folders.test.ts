/** Folders as people have them: leftovers, pictures of other formats and names, folders that are no classes. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import { pictureFiles } from "../../../src/cli/options/picture-files.js";
import { cutJpegsText } from "../../../src/data/photos/cut-jpegs.js";
import { type OtherFiles, unreadText } from "../../../src/data/photos/other-files.js";
import { photoName } from "../../../src/data/photos/photo-locations.js";
import { decodePicture, openPicture, readPixels } from "../../../src/data/pictures/picture.js";
import { mendedJpeg } from "../../../src/data/pictures/mended-jpeg.js";
import { openData, openPhotos } from "../../../src/data/sources/open.js";
import { inputError } from "../../support/input-error.js";
import { scratchFolder } from "../../support/scratch-folder.js";

const at = scratchFolder("messy");
let jpeg: Buffer;
let folders = 0;

before(async () => {
  const noise = { type: "gaussian", mean: 100, sigma: 30 } as const;
  jpeg = await sharp({ create: { width: 64, height: 400, channels: 3, background: "black", noise } })
    .jpeg()
    .toBuffer();
});

/** A folder of files: JPEGs, but for those whose content is given. */
function folder(files: readonly string[], others: Readonly<Record<string, string | Buffer>> = {}): string {
  const root = String(folders++);
  mkdirSync(at(root));
  for (const [file, content] of [...files.map((file) => [file, jpeg] as const), ...Object.entries(others)]) {
    mkdirSync(dirname(at(root, file)), { recursive: true });
    writeFileSync(at(root, file), content);
  }
  return at(root);
}

function names(root: string): string[] {
  const { train, validation } = openPhotos(root);
  return [train, validation]
    .flatMap(({ locations, count }) => Array.from({ length: count }, (_, i) => photoName(locations, i)))
    .sort();
}

const CLASSES = ["ant/0.jpg", "ant/1.jpg", "bee/0.jpg", "bee/1.jpg"];

test("leftovers of systems and tools are no classes, and nothing in them is a picture", () => {
  const left = [
    "__MACOSX",
    ".ipynb_checkpoints",
    "@eaDir",
    "lost+found",
    "$RECYCLE.BIN",
    "System Volume Information",
    "@Recently-Snapshot",
    "#snapshot",
    ".git",
  ];
  const files = left.flatMap((name) => [`${name}/a.jpg`, `ant/${name}/b.jpg`, `${name}/ant/c.jpg`]);
  const root = folder([...CLASSES, ...files], { "Thumbs.db": "x", "ant/Thumbs.db": "x", "ant/desktop.ini": "x" });
  assert.deepEqual(openPhotos(root).train.classes, ["ant", "bee"]);
  assert.deepEqual(names(root), CLASSES);
  assert.equal(openPhotos(root).otherFiles.count, 0);
});

test("what a file is, its content decides: pictures by any name are read, of other formats counted", () => {
  const heic = Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic", "latin1");
  const bmp = Buffer.from(`BM${"\0".repeat(12)}\x28\0\0\0`, "latin1");
  const dicom = Buffer.from(`${"\0".repeat(128)}DICM`, "latin1");
  const files = [...CLASSES, "ant/2.jfif", "ant/3.JPE", "bee/noending", "bee/4.dat", "bee/5.bmp"].sort();
  const others = {
    "ant/6.bmp": bmp,
    "ant/7": bmp,
    "ant/8.HEIC": heic,
    "ant/9.dcm": dicom,
    "ant/a": dicom,
    "ant/b.nef": "II*\0raw",
    "ant/c.jp2": "\0\0\0\x0cjP  \r\n",
    "ant/notes.txt": "BM",
    "ant/model.bin": "BMxyz",
  };
  const root = folder(files, others);
  assert.deepEqual(names(root), files);
  const { description, otherFiles } = openPhotos(root);
  assert.match(description, /; 7 of 16 files not read: 2 BMP, 2 DICOM, 1 HEIC, 1 RAW, 1 JPEG 2000 \(convert/);
  assert.equal(otherFiles.count, 9);
  assert.deepEqual(openData(folder(["ant/0", "ant/1", "bee/0", "bee/1"])).train.classes, ["ant", "bee"]);
});

test("predict's folders: the same pictures, others counted, pipes passed over; no URLs", () => {
  const root = folder(["a.jpg", "b/noending", "b/c.jfif", "@eaDir/a.jpg"], { "d.heic": "\0\0\0\x18ftypheic" });
  execFileSync("mkfifo", [join(root, "e.jpg")]);
  const others: OtherFiles = { count: 0, examples: [] };
  assert.deepEqual(
    pictureFiles([root], others),
    ["a.jpg", "b/c.jfif", "b/noending"].map((name) => join(root, name)),
  );
  assert.match(unreadText(others, 3) ?? "", /^2 of 5 files not read: 1 HEIC, 1 pipe or device \(convert/);
  const pipes: OtherFiles = { count: 1, examples: [], pictures: { "pipe or device": 1 } };
  assert.equal(unreadText(pipes, 3), "1 of 4 files not read: 1 pipe or device");
  const heic = folder([], { "d.heic": "\0\0\0\x18ftypheic" });
  assert.throws(() => pictureFiles([heic]), inputError(/there are no pictures in .*; 1 of 1 files not read: 1 HEIC/));
  assert.throws(() => pictureFiles(["s3://bucket/a.jpg"]), inputError(/is not fetched: download it/));
  assert.throws(() => pictureFiles(["https://example.org/a.jpg"]), inputError(/is not fetched: download it/));
});

test("a picture of another format by a picture's name says what it is", async () => {
  const bmp = Buffer.from(`BM${"\0".repeat(12)}\x28\0\0\0`, "latin1");
  await assert.rejects(decodePicture(bmp), inputError(/no picture that knack reads, but BMP: JPEG/));
});

describe("a JPEG file without its end", () => {
  test("is used where its rows are there, and says so", async () => {
    const whole = await decodePicture(jpeg);
    for (const cut of [1, 2]) {
      const picture = await openPicture(jpeg.subarray(0, -cut));
      assert.equal(picture.mended, true);
      assert.deepEqual((await readPixels(picture)).pixels, whole.pixels);
    }
    const progressive = await sharp(jpeg).jpeg({ progressive: true }).toBuffer();
    assert.equal((await openPicture(progressive.subarray(0, -2))).mended, true);
    assert.equal((await openPicture(jpeg)).mended, false);
    assert.equal((await openPicture(Buffer.concat([jpeg, Buffer.from("what phones add")]))).mended, false);
  });

  test("is not, where rows are missing, however many are looked at at once", async () => {
    const half = jpeg.subarray(0, jpeg.length / 2);
    for (let i = 0; i < 20; i++) {
      const several = [jpeg.subarray(0, -2), half, jpeg.subarray(0, -2), half].map((bytes) => mendedJpeg(bytes));
      const used = (await Promise.all(several)).map((bytes) => bytes !== undefined);
      assert.deepEqual(used, [true, false, true, false]);
    }
  });

  test("is not, where rows are missing", async () => {
    const progressive = await sharp(jpeg).jpeg({ progressive: true }).toBuffer();
    for (const [bytes, share] of [
      [jpeg, 0.5],
      [jpeg, 0.95],
      [progressive, 0.9],
    ] as const) {
      const cut = bytes.subarray(0, Math.floor(share * bytes.length));
      await assert.rejects(decodePicture(cut), inputError(/is cut off or broken/), `${share}`);
    }
  });
});

describe("folders that are no classes are refused", () => {
  const below = (...above: string[]) => above.flatMap((name) => CLASSES.map((file) => `${name}/${file}`));
  const refused: [string, string[], RegExp][] = [
    ["train and dev", below("train", "dev"), /"dev", "train" in .* hold the same folders \("ant", "bee"\)/],
    ["train and eval", below("train", "eval"), /hold the same folders/],
    ["folds", below("fold1", "fold2", "fold3"), /hold the same folders/],
    ["sets in sets", below("training_set/training_set", "test_set/test_set"), /hold the same folders/],
    ["splits in classes", ["ant", "bee"].flatMap((c) => [`${c}/train/0.jpg`, `${c}/test/1.jpg`]), /hold a split each/],
    ["a copy of everything", [...CLASSES, ...below("Village")], /Village" is no class: .*like the classes beside it/],
    ["one level too many", below("data"), /holds one folder, "data", with folders in it: give ".*data"/],
    [
      "splits that lack classes",
      [...below("train"), "train/cat/0.jpg", "dev/ant/0.jpg"],
      /"dev", "train" .* like splits/,
    ],
    ["splits in one class", ["ant/train/0.jpg", "ant/test/1.jpg", "bee/0.jpg", "bee/1.jpg"], /\("ant"\) hold a split/],
    ["a copy with pictures", [...CLASSES, ...below("copy"), "copy/0.jpg"], /copy" is no class: .*like the classes/],
    ["a data set among folders", [...below("data/train", "data/val"), "docs/0.jpg"], /data" is a data set, no class/],
    ["one level too many above splits", below("data/train", "data/val"), /give ".*data"/],
  ];
  for (const [what, files, message] of refused) {
    test(what, () => assert.throws(() => openPhotos(folder(files)), inputError(message)));
  }

  test("folders inside of classes that are parts of them are not", () => {
    assert.equal(names(folder(["ant/red/0.jpg", "ant/1.jpg", "bee/red/0.jpg", "bee/1.jpg"])).length, 4);
    assert.equal(names(folder(["ant/ant/0.jpg", "ant/ant/1.jpg", "bee/bee/0.jpg", "bee/bee/1.jpg"])).length, 4);
    assert.equal(openData(folder(CLASSES.map((file) => `train/${file.replace("/", "/deep/")}`))).train.count, 2);
    const vehicles = ["bus/0.jpg", "bus/1.jpg", "train/steam/0.jpg", "train/electric/1.jpg"];
    assert.deepEqual(openPhotos(folder(vehicles)).train.classes, ["bus", "train"]);
  });

  test("a folder in a class that is called like another class is said", () => {
    const files = [...CLASSES, "ant/bee/2.jpg"];
    assert.match(
      openPhotos(folder(files)).description,
      /; "ant\/bee" is called like the class "bee", and counts as "ant"/,
    );
    assert.doesNotMatch(openPhotos(folder([...CLASSES, "ant/red/2.jpg"])).description, /called like/);
  });
});

test("a test folder without classes is left out, and said; one without any sends to predict", () => {
  const { description, split } = openPhotos(folder([...CLASSES.map((file) => `train/${file}`), "test/0.jpg"]));
  assert.match(description, /20 % of each class held out.*; test\/ has no classes and is left out/);
  assert.notEqual(split, "given");
  const lone = openPhotos(folder([...CLASSES.map((file) => `train/${file}`), "test/unknown/0.jpg"]));
  assert.match(lone.description, /; test\/ has no classes and is left out/);
  const validated = [...CLASSES.map((file) => `train/${file}`), "val/cat/0.jpg"];
  assert.throws(() => openPhotos(folder(validated)), inputError(/"val\/cat" .* is a class that train\/ does not have/));
  assert.throws(() => openPhotos(folder(["0.jpg"])), inputError(/use knack predict/));
});

test("classes that look alike are said, wherever they come from", () => {
  const description = (...classes: string[]) =>
    openPhotos(folder(classes.flatMap((name) => [`${name}/0.jpg`, `${name}/1.jpg`]))).description;
  assert.match(description("Cat", "cat", "dog"), /classes "Cat" and "cat" differ in case/);
  assert.match(description("cat", "cat\u200b", "dog"), /classes "cat" and "cat\\u200b" differ/);
  assert.match(description("01", "1"), /classes "01" and "1" differ/);
  assert.match(description("1.0", "1"), /classes "1" and "1.0" differ/);
  assert.match(description("type-1", "type 1"), /differ/);
  assert.doesNotMatch(description("-1", "0", "1", "1-2", "12"), /differ/);
});

test("masks beside pictures, and classes of very different sizes, are said", () => {
  const description = (files: readonly string[]) => openPhotos(folder(files)).description;
  const two = (name: string) => ["a", "b"].map((label) => `${label}/${name}`);
  const masked = ["0.jpg", "1.jpg", "0_mask.png", "1_mask.png", "face-mask.jpg"].flatMap(two);
  assert.match(description(masked), /4 pictures look like masks of others \("a\/0_mask.png"\)/);
  for (const form of ["0 (mask).png", "mask_0.png", "0_label.png", "0_mask_1.png"]) {
    assert.match(description(["0.jpg", "1.jpg", form].flatMap(two)), /2 pictures look like masks/, form);
  }
  assert.match(description(["img_0.jpg", "1.jpg", "mask_0.png"].flatMap(two)), /2 pictures look like masks/);
  assert.doesNotMatch(description(["0.jpg", "0_b.jpg", "mask.jpg", "face_mask.jpg"].flatMap(two)), /mask/);
  assert.match(
    description(["images/0.jpg", "images/1.jpg", "masks/0.png", "masks/1.png"]),
    /class "masks" is called like/,
  );
  const many = (count: number) => [
    ...Array.from({ length: count }, (_, i) => `ant/${i}.jpg`),
    "bee/0.jpg",
    "bee/1.jpg",
  ];
  assert.match(description(many(24)), /there are 12 pictures of "ant" for each of "bee"/);
  assert.doesNotMatch(description(many(18)), /for each of/);
});

test("JPEG files without their end are counted, as far as they are used", async () => {
  const cut = {
    "a/cut.jpg": jpeg.subarray(0, -2),
    "b/cut.jpg": jpeg.subarray(0, -2),
    "a/half.jpg": jpeg.subarray(0, jpeg.length / 2),
  };
  const some = openPhotos(
    folder(["a/0.jpg", "a/1.jpg", "b/0.jpg"], { ...cut, "b/text.jpg": "no picture", "b/empty.jpg": "" }),
  );
  assert.equal(await cutJpegsText([some.train, some.validation]), "2 JPEG files without their end are used");
  const whole = openPhotos(folder(["a/0.jpg", "a/1.jpg", "b/0.jpg", "b/1.jpg"]));
  assert.equal(await cutJpegsText([whole.train, whole.validation]), undefined);
});
