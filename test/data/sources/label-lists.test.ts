/** Lists of pictures with any number of labels: each must give the labels that a person sees in it, or say what is unclear. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { photoName } from "../../../src/data/photos/photo-locations.js";
import { openData, openPhotos, openWhole } from "../../../src/data/sources/open.js";
import type { ListOptions } from "../../../src/data/sources/source.js";
import { imagesOfClasses, labelText } from "../../../src/data/split.js";
import { inputError } from "../../support/input-error.js";
import { scratchFolder } from "../../support/scratch-folder.js";

const scratch = scratchFolder("label-lists");
let lists = 0;

const COUNT = 20;
/** Of each picture: a where its number is even, b where it is a multiple of 3, c where of 5. So 1, 7, 11, 13, 17 and 19 show nothing. */
const LABELS = Array.from({ length: COUNT }, (_, at) =>
  [[2, "a"] as const, [3, "b"] as const, [5, "c"] as const].flatMap(([of, name]) => (at % of === 0 ? [name] : [])),
);

function list(text: string, name = "list.csv"): string {
  const root = scratch(String(lists++));
  for (let at = 0; at < COUNT; at++) {
    mkdirSync(dirname(join(root, `pictures/${at}.jpg`)), { recursive: true });
    writeFileSync(join(root, `pictures/${at}.jpg`), "");
  }
  writeFileSync(join(root, name), text);
  return join(root, name);
}

const rows = (cell: (labels: readonly string[], at: number) => string) =>
  LABELS.map((labels, at) => `pictures/${at}.jpg,${cell(labels, at)}\n`).join("");
const flagsOf = (labels: readonly string[]) => ["a", "b", "c"].map((each) => Number(labels.includes(each)));

/** Each picture of all parts with its labels. */
function read(file: string, options: ListOptions = {}): string[] {
  const { train, validation } = openPhotos(file, undefined, { multiLabel: true, ...options });
  return [train, validation]
    .flatMap((set) => Array.from(set.labels, (_, at) => `${photoName(set.locations, at)} ${labelText(set, at)}`))
    .sort();
}

const ALL = LABELS.map((labels, at) => `pictures/${at}.jpg ${labels.join(", ") || "no label"}`).sort();

const same: Record<string, string> = {
  "a|b": `image,labels\n${rows((labels) => labels.join("|"))}`,
  "spaces, and a separator at the end": `image,labels\n${rows((labels) => labels.map((label) => ` ${label} |`).join(""))}`,
  "a;b": `image,labels\n${rows((labels) => labels.join(";"))}`,
  "a, b": `image,labels\n${rows((labels) => `"${labels.join(", ")}"`)}`,
  "a b": `image,tags\n${rows((labels) => labels.join(" "))}`,
  "Python's lists": `image,tags\n${rows((labels) => `"[${labels.map((label) => `'${label}'`).join(", ")}]"`)}`,
  JSON: `image,tags\n${rows((labels) => `"[${labels.map((label) => `""${label}""`).join(",")}]"`)}`,
  "a label twice": `image,labels\n${rows((labels) => [...labels, ...labels].join("|"))}`,
  "no header": rows((labels) => labels.join("|")),
  "columns of 0 and 1": `image,a,b,c\n${rows((labels) => flagsOf(labels).join())}`,
  "columns of true and false": `image,a,b,c\n${rows((labels) =>
    flagsOf(labels)
      .map((flag) => (flag === 1 ? "True" : "False"))
      .join(),
  )}`,
  "columns of 0 and 1 beside others": `,image,width,a,b,c\n${LABELS.map(
    (labels, at) => `${at},pictures/${at}.jpg,${640 + at},${flagsOf(labels).join()}\n`,
  ).join("")}`,
};

for (const [name, text] of Object.entries(same)) test(`${name}`, () => assert.deepEqual(read(list(text)), ALL));

test("what has a name of labels is taken before columns of 0 and 1, and --label-column before both", () => {
  const text = `image,sharp,old,labels,words\n${rows((labels, at) => `${at % 2},1,${labels.join("|")},x|y`)}`;
  assert.deepEqual(read(list(text)), ALL);
  assert.match(read(list(text), { labelColumn: "words" })[0] ?? "", / x, y$/);
});

test("names with spaces and commas stay whole where another separator parts them", () => {
  const long = (label: string) => (label === "a" ? "polar bear, white" : label);
  const text = `image,labels\n${rows((labels) => `"${labels.map(long).join("|")}"`)}`;
  assert.ok(read(list(text)).includes("pictures/6.jpg b, polar bear, white"));
});

test("what is unclear is refused by its line, or by what is mixed", () => {
  const refused = (text: string, message: RegExp) => assert.throws(() => read(list(text)), inputError(message));
  const joined = (labels: readonly string[]) => labels.join("|");
  refused(
    `image,labels\n${rows((labels, at) => (at === 6 ? '"a,b"' : joined(labels)))}`,
    /separated by "\|" in some rows and by "," in others, as "a,b": write all by one of them/,
  );
  refused(
    `image,labels\n${rows((labels, at) => (at === 6 ? "nan" : joined(labels)))}`,
    /line 8: "nan" may be no label or an unknown one: where there is none, leave it empty/,
  );
  for (const odd of ["-1", "", "0.7"]) {
    const flags = rows((labels, at) => (at === 6 ? `1,${odd},0` : flagsOf(labels).join()));
    refused(`image,a,b,c\n${flags}`, new RegExp(`line 8: "${odd}" in the column "b" is neither 0 nor 1`));
  }
  refused(
    `image,a,b\n${rows((labels) => `${joined(labels)},x`)}`,
    /which column has the labels cannot be told .*--label-column/,
  );
  refused(`image,a\n${rows((labels) => String(Number(labels.includes("a"))))}`, /holds 1 class, "a": two are needed/);
  const folder = scratch("folder");
  for (const name of ["ant/0.jpg", "bee/0.jpg"]) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), "");
  }
  assert.throws(() => openData(folder, { multiLabel: true }), inputError(/--multi-label: .* is no list of pictures/));
});

test("a picture in two rows has one set of labels, in whatever order they stand", () => {
  const text = `image,labels\n${rows((labels) => labels.join("|"))}`;
  assert.deepEqual(read(list(`${text}pictures/6.jpg,b|a\n`)), ALL);
  assert.throws(
    () => read(list(`${text}pictures/6.jpg,a\n`)),
    inputError(/line 22: "pictures\/6.jpg" has another label than in line 8/),
  );
});

test("what a list holds is said, its classes are counted, and without the option it is as before", () => {
  const file = list(`image,labels\n${rows((labels) => labels.join("|"))}`);
  const { train, validation, description } = openPhotos(file, { validation: 0.25 }, { multiLabel: true });
  assert.match(description, /15 training and 5 validation photographs, 3 classes/);
  assert.match(description, /any number of labels a picture, 1\.1 on average, none for 6/);
  const [a, b] = [imagesOfClasses(train), imagesOfClasses(validation)];
  assert.deepEqual(
    [...a].map((count, label) => count + (b[label] as number)),
    [10, 7, 4],
  );
  const asOne = openPhotos(file, undefined, { skipBadRows: true });
  assert.match(asOne.description, /looks like several labels .*--multi-label/);
  const whole = openWhole(file, { multiLabel: true });
  assert.deepEqual([whole.train.count, whole.validation.count], [0, COUNT]);
});

test("a list for validation has the same classes", () => {
  const trained = rows((labels) => labels.join("|")).replace(/pictures\/[34]\.jpg.*\n/g, "");
  const file = list(`image,labels\n${trained}`, "train.csv");
  writeFileSync(join(dirname(file), "val.csv"), "image,labels\npictures/3.jpg,c|a\npictures/4.jpg,\n");
  const { validation } = openPhotos(file, undefined, { multiLabel: true });
  assert.deepEqual([labelText(validation, 0), labelText(validation, 1)], ["a, c", "no label"]);
  writeFileSync(join(dirname(file), "val.csv"), "image,labels\npictures/3.jpg,c|d\n");
  assert.throws(() => read(file), inputError(/"d" in .*val\.csv is a class that .*train\.csv does not have/));
});
