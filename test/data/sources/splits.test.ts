/** How a data set is divided: by --validation, by a file of parts, by its own folders; and what cannot be. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { photoName } from "../../../src/data/photos/photo-locations.js";
import type { PhotoSet } from "../../../src/data/photos/photo-set.js";
import { openData, openPhotos } from "../../../src/data/sources/open.js";
import { inputError } from "../../support/input-error.js";
import { scratchFolder } from "../../support/scratch-folder.js";
import { writeTinyData } from "../../support/tiny-data.js";
import { numbered } from "../../support/tiny-photos.js";

const at = scratchFolder("splits");

/** Files that are called like pictures: what is in them is not looked at. */
function folder(name: string, ...files: readonly string[]): string {
  for (const file of files) {
    mkdirSync(dirname(at(name, file)), { recursive: true });
    writeFileSync(at(name, file), file);
  }
  return at(name);
}

function file(name: string, ...lines: readonly string[]): string {
  writeFileSync(at(name), lines.map((line) => `${line}\n`).join(""));
  return at(name);
}

function names(set: PhotoSet | undefined): string[] {
  return Array.from({ length: set?.count ?? 0 }, (_, index) => photoName((set as PhotoSet).locations, index));
}

const photos = folder("photos", ...numbered("ant", 20), ...numbered("bee", 10));

test("without a word, or with another share or seed: the choice of earlier versions, of each class", () => {
  // What was chosen before there were such options: runs of that time go on.
  const usual = ["ant/00.jpg", "ant/04.jpg", "ant/05.jpg", "ant/08.jpg", "bee/00.jpg", "bee/03.jpg"];
  assert.deepEqual(names(openPhotos(photos).validation), usual);
  const tenth = openPhotos(photos, { validation: 0.1 });
  assert.equal(names(tenth.validation).length, 3);
  assert.ok(names(tenth.validation).every((name) => usual.includes(name)));
  assert.match(tenth.description, /27 training and 3 validation photographs.*; 10 % of each class held out/);
  assert.notDeepEqual(names(openPhotos(photos, { seed: 1 }).validation), usual);
  assert.match(openPhotos(photos, { validation: 0.125 }).description, /; 12\.5 % of each class/);
});

test("a file of parts: paths as the data has them, whole, of another machine, without endings; in any columns", () => {
  const source = openPhotos(photos, {
    file: file(
      "parts.csv",
      "part;path",
      ...["train;ant/00.jpg", `train;${photos}/bee/00.jpg`, "Val;ant\\01", "validation;./bee/01.jpg"],
      ...["TEST;/home/me/photos/ant/02.jpg", "testing;C:\\data\\bee\\02.jpg"],
    ),
  });
  assert.deepEqual(names(source.train), ["ant/00.jpg", "bee/00.jpg"]);
  assert.deepEqual(names(source.validation), ["ant/01.jpg", "bee/01.jpg"]);
  assert.deepEqual(names(source.test), ["ant/02.jpg", "bee/02.jpg"]);
  assert.match(source.description, /2 training, 2 validation and 2 test.*; 24 pictures that it does not list left out/);
});

test("without rows for training the others are trained on; without rows for validation some are held out", () => {
  const parts = file("tests.csv", ...numbered("ant", 4).map((path) => `${path},test`), "bee/00.jpg,test");
  const source = openPhotos(photos, { file: parts, validation: 0.25 });
  assert.deepEqual([source.train.count, source.validation.count, source.test?.count], [19, 6, 5]);
  assert.deepEqual(names(source.test), [...numbered("ant", 4), "bee/00.jpg"]);
  assert.deepEqual(new Set([source.train, source.validation, source.test].flatMap(names)).size, 30);
});

test("a file's parts take the place of the data's own", () => {
  const own = folder("own", ...["train", "val"].flatMap((split) => [`${split}/a/1.jpg`, `${split}/b/1.jpg`]));
  const parts = file(
    "own.csv",
    "path,part",
    "val/a/1.jpg,train",
    "val/b/1.jpg,train",
    "train/a/1.jpg,val",
    "train/b/1.jpg,val",
  );
  assert.deepEqual(names(openPhotos(own, { file: parts }).train), ["val/a/1.jpg", "val/b/1.jpg"]);
});

test("test/ beside val/ is a test; without val/, where validation pictures are held out", () => {
  const pictures = [...numbered("a", 5), ...numbered("b", 5)];
  const of = (name: string, ...splits: readonly string[]) =>
    folder(name, ...splits.flatMap((split) => pictures.map((picture) => `${split}/${picture}`)));
  const three = openPhotos(of("three", "train", "val", "test"));
  assert.deepEqual(names(three.test)[0], "test/a/00.jpg");
  assert.match(three.description, /10 training, 10 validation and 10 test/);
  const two = of("two", "train", "test");
  assert.deepEqual([openPhotos(two).validation.count, openPhotos(two).test], [10, undefined]);
  const drawn = openPhotos(two, { validation: 0.2 });
  assert.deepEqual([drawn.train.count, drawn.validation.count, names(drawn.test)[0]], [8, 2, "test/a/00.jpg"]);
  assert.throws(
    () => openPhotos(at("three"), { validation: 0.2 }),
    inputError(/--validation, --folds: .*\(train\/ and val\/\) has validation pictures of its own/),
  );
  const listed = file(
    "three.csv",
    "path,label,split",
    ...pictures.map((path, i) => `train/${path},${path[0]},${["train", "val", "test"][i % 3]}`),
  );
  const list = openPhotos(listed, {}, { images: at("three") });
  assert.deepEqual([list.train.count, list.validation.count, list.test?.count], [4, 3, 3]);
});

test("images in memory: some of training are held out, and the data's own are kept for a test", () => {
  const data = writeTinyData(at("tiny"), { train: 100, validation: 20 });
  const source = openData(data, { split: { validation: 0.1 } });
  assert.deepEqual([source.train.count, source.validation.count, source.test?.count], [90, 10, 20]);
  assert.deepEqual([...source.validation.labels].sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.match(source.description, /; 10 of the training images are validated on, chosen by seed 0, and those for val/);
  assert.deepEqual(source, openData(data, { split: { validation: 0.1 } }));
  const parts = file("tiny.csv", "1,val");
  assert.throws(() => openData(data, { split: { file: parts } }), inputError(/--split: these images have no names/));
});

test("what cannot be divided so is refused, with lines and reasons", () => {
  const refused = (lines: readonly string[], said: RegExp, more = {}) =>
    assert.throws(() => openPhotos(photos, { file: file("bad.csv", ...lines), ...more }), inputError(said));
  refused(
    ["path,part", "ant/00.jpg,val", "ant/99.jpg,val", "ant/01.jpg,dev", "ant/00,train"],
    /3 rows cannot be used with .*\(line 3: there is no picture "ant\/99\.jpg"; line 4: the part "dev" is none of train, val and test; line 5: "ant\/00" has another part in line 2\)/,
  );
  refused(["00.jpg,val"], /1 row cannot be used with .*line 1: several pictures end in "00\.jpg"/);
  refused(["ant/00.jpg,a", "ant/01.jpg,b"], /expected are lines of path,part.*no column has these words/);
  refused(["val"], /expected are lines of path,part/);
  refused(["ant/00.jpg,val"], /--validation, --folds: .* says already which pictures are for validation/, {
    validation: 0.1,
  });
  const all = [...numbered("ant", 20), ...numbered("bee", 10)];
  refused(
    all.map((path) => `${path},test`),
    /--split: .* leaves no pictures to train on/,
  );
  assert.throws(
    () => openPhotos(photos, { file: at("none.csv") }),
    inputError(/--split: there is no file ".*none\.csv"/),
  );
  for (const validation of [0, 1, -1, Number.NaN]) {
    assert.throws(() => openPhotos(photos, { validation }), inputError(/--validation: must be a share above 0 and/));
  }
  assert.throws(() => openData(at("tiny"), { split: { validation: 0.1 }, holdOut: "x.bin" }), inputError(/--hold-out/));
});

test("groups by a pattern: the first bracket, or all of it; pictures without one are alone", () => {
  const shots = ["ant", "bee"].flatMap((name) =>
    [1, 2, 3, 4, 5, 6].flatMap((object) => ["a", "b", "c"].map((shot) => `${name}/o${object}-${shot}.jpg`)),
  );
  const objects = folder("objects", ...shots, "ant/single.jpg");
  const source = openPhotos(objects, { group: "o(\\d)-", validation: 0.3 });
  const of = (set: PhotoSet) => new Set(names(set).map((name) => /o\d/.exec(name)?.[0]));
  assert.ok([...of(source.train)].every((object) => !of(source.validation).has(object)));
  assert.match(source.description, /; 6 groups by "o\(\\\\d\)-" kept together \(1 picture in none\)/);
  assert.match(openPhotos(objects, { group: "^.*/o\\d" }).description, /; 12 groups by/);
  assert.match(
    openPhotos(objects, { group: "(ant)/o1|(bee)/o1" }).description,
    /; 2 groups by .*\(31 pictures in none/,
  );
  const refused = (group: string, said: RegExp, more = {}) =>
    assert.throws(() => openPhotos(objects, { group, ...more }), inputError(said));
  refused("(", /--group: "\(" is neither a column of the data nor a regular expression: .*Unterminated group/);
  refused("patient", /--group: "patient" groups no pictures: it matches none of the paths, such as "ant\/o1-a\.jpg"/);
  refused("x*", /groups no pictures/);
  refused("jpg", /puts all 37 pictures into one group, "jpg"/);
  refused(".+", /puts no two pictures into one group: "ant\/o1-a\.jpg" is in "ant\/o1-a\.jpg"/);
  const torn = file("torn.csv", "ant/o1-a.jpg,val", "ant/o1-b.jpg,test", "bee/o2-a.jpg,val");
  refused(
    "^.*/o\\d",
    /2 groups are in several parts of the data: of "\w+\/o\d" "[^"]+" is for (training|validation), "/,
    {
      file: torn,
    },
  );
  assert.throws(
    () => openData(at("tiny"), { split: { group: "1" } }),
    inputError(/--group: these images have no names to be grouped by/),
  );
});

test("where each class is one group nothing can be held out, and that is said", () => {
  const said = /the pictures of each class are one group, so that none can be held out/;
  assert.throws(() => openPhotos(photos, { group: "^(ant|bee)" }), inputError(said));
  // That they look alike is no reason: then it tells nothing.
  const plain = names(openPhotos(photos).validation);
  const alike = new Map([...numbered("ant", 20), ...numbered("bee", 3)].map((name) => [name, name < "b" ? 0 : 1]));
  const source = openPhotos(photos, {}, { alike });
  const together = /1 group of pictures that look alike \(3\) kept together; 20 pictures look like more than half of/;
  assert.match(source.description, together);
  assert.deepEqual(names(source.validation).slice(0, 4), plain.slice(0, 4));
});

test("groups by a list's column, whatever its case; empty cells are no group", () => {
  const rows = numbered("ant", 12).map((path, i) => `${path},${i < 6 ? "a" : "b"},${i === 11 ? "" : `p${i % 4}`}`);
  const list = file("patients.csv", "path,label,Patient", ...rows);
  const source = openPhotos(list, { group: "patient", validation: 0.3 }, { images: photos });
  assert.match(source.description, /; 4 groups by "patient" kept together \(1 picture in none\)/);
  assert.doesNotMatch(source.description, /not used/);
  const patients = (set: PhotoSet) =>
    new Set(
      names(set)
        .filter((name) => !name.includes("11"))
        .map((name) => Number(name.slice(4, 6)) % 4),
    );
  assert.ok([...patients(source.train)].every((patient) => !patients(source.validation).has(patient)));
  assert.match(openPhotos(list, { group: "ant/." }, { images: photos }).description, /2 groups by "ant\/\."/);
  const empty = file("empty.csv", "path,label,patient", ...rows.map((row) => row.replace(/p\d$/, "")));
  assert.throws(
    () => openPhotos(empty, { group: "patient" }, { images: photos }),
    inputError(/the column has no values/),
  );
});
