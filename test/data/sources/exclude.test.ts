/** Pictures that a list leaves out: of every part, and of what is drawn from the rest. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { photoName } from "../../../src/data/photos/photo-locations.js";
import type { PhotoSet } from "../../../src/data/photos/photo-set.js";
import { openData, openPhotos, openWhole } from "../../../src/data/sources/open.js";
import { excludedBy } from "../../../src/data/sources/tables/excluded-file.js";
import { inputError } from "../../support/input-error.js";
import { scratchFolder } from "../../support/scratch-folder.js";
import { writeTinyData } from "../../support/tiny-data.js";
import { numbered } from "../../support/tiny-photos.js";

const at = scratchFolder("exclude");

/** Files that are called like pictures: what is in them is not looked at. */
function folder(name: string, ...files: readonly string[]): string {
  for (const file of files) {
    mkdirSync(dirname(at(name, file)), { recursive: true });
    writeFileSync(at(name, file), file);
  }
  return at(name);
}

function list(name: string, ...lines: readonly string[]): string {
  writeFileSync(at(name), lines.map((line) => `${line}\n`).join(""));
  return at(name);
}

function names(...sets: readonly (PhotoSet | undefined)[]): string[] {
  return sets.flatMap((set) =>
    Array.from({ length: set?.count ?? 0 }, (_, index) => photoName((set as PhotoSet).locations, index)),
  );
}

const photos = folder("photos", ...numbered("ant", 20), ...numbered("bee", 10));
const parts = folder(
  "parts",
  ...["train", "val", "test"].flatMap((part) => ["ant", "bee"].flatMap((name) => numbered(`${part}/${name}`, 3))),
);

test("lists: as knack suspects writes them, a column by its name, or a path a line", () => {
  const expected = ["ant/00.jpg", "bee/03.jpg"];
  assert.deepEqual(
    excludedBy(list("a.csv", "path,class,predicted", "ant/00.jpg,ant,bee", "bee/03.jpg,bee,ant")),
    expected,
  );
  assert.deepEqual(excludedBy(list("b.csv", "label;Image", "ant;ant/00.jpg", "bee;bee/03.jpg")), expected);
  assert.deepEqual(excludedBy(list("c.txt", "ant/00.jpg", "", "bee/03.jpg")), expected);
  assert.throws(() => excludedBy(list("d.csv", "path,class")), inputError(/d\.csv lists no pictures/));
  assert.throws(() => excludedBy(at("none.csv")), inputError(/--exclude: there is no file ".*none\.csv"/));
});

test("they are in no part, whether that is drawn, given, or in folds; what is drawn comes from the rest", () => {
  const exclude = ["ant/00.jpg", `${photos}/ant/04.jpg`, "bee\\03", "bee/99.jpg"];
  const drawn = openPhotos(photos, { exclude });
  const gone = ["ant/00.jpg", "ant/04.jpg", "bee/03.jpg"];
  const all = [...numbered("ant", 20), ...numbered("bee", 10)].filter((name) => !gone.includes(name));
  assert.deepEqual(names(drawn.train, drawn.validation).sort(), all);
  assert.match(drawn.description, /; 3 pictures excluded \(1 more that are listed are not there\)/);
  const folds = [1, 2, 3].flatMap((fold) => names(openPhotos(photos, { exclude, folds: 3, fold }).validation));
  assert.deepEqual(folds.sort(), all);
  const given = openPhotos(parts, { exclude: ["val/bee/02.jpg", "test/ant/00.jpg", "train/ant/01.jpg"] });
  assert.deepEqual([given.train.count, given.validation.count, given.test?.count], [5, 5, 5]);
  assert.match(given.description, /; 3 pictures excluded;?/);
  // What an earlier run held out stays held out.
  const held = { validation: ["ant/01.jpg", "bee/01.jpg", "ant/00.jpg"] };
  const again = openData(photos, { split: { exclude }, held });
  assert.ok("kind" in again);
  assert.deepEqual(names(again.validation), ["ant/01.jpg", "bee/01.jpg"]);
  assert.equal(again.train.count, 25);
  assert.equal(openWhole(photos, { split: { exclude } }).validation.count, 30, "a measurement of other data is of all");
});

test("a list of other pictures, a name of several, and images without names are refused", () => {
  const refused = (exclude: string[], message: RegExp, data = photos) =>
    assert.throws(() => openData(data, { split: { exclude } }), inputError(message));
  refused(["cat/1.jpg", "x"], /--exclude: of the listed pictures, such as "cat\/1\.jpg", none is in .*photos/);
  refused(["03.jpg"], /--exclude: several pictures end in "03\.jpg": give more of its path/);
  refused(
    ["1"],
    /--exclude: these images have no names that a file could list; drop it/,
    writeTinyData(at("tiny"), { train: 20, validation: 10 }),
  );
});
