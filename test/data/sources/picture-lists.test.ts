/** Lists of pictures as people have them: each must give the pictures and classes that a person sees in it, or say what is unclear. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { photoName } from "../../../src/data/photos/photo-locations.js";
import { openData, openPhotos, openWhole } from "../../../src/data/sources/open.js";
import type { ListOptions } from "../../../src/data/sources/source.js";
import { inputError } from "../../support/input-error.js";
import { scratchFolder } from "../../support/scratch-folder.js";

const CLASSES = ["ant", "bee", "cat"];
const NAMES = CLASSES.flatMap((name) => [0, 1, 2, 3].map((i) => `${name}-${i}`));
const labelOf = (name: string) => name.slice(0, 3);

const scratch = scratchFolder("lists");
let lists = 0;

/** A list beside pictures/NAME.jpg, or other files. */
function list(text: string | Buffer, files: readonly string[] = NAMES.map((name) => `pictures/${name}.jpg`)): string {
  const root = scratch(String(lists++));
  mkdirSync(root);
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), "");
  }
  writeFileSync(join(root, "list.csv"), text);
  return join(root, "list.csv");
}

const rows = (row: (name: string, label: string, i: number) => string) =>
  NAMES.map((name, i) => `${row(name, labelOf(name), i)}\n`).join("");

/** Each picture of all splits with the name of its class. */
function read(file: string, options: ListOptions = {}): string[] {
  const { train, validation } = openPhotos(file, undefined, options);
  return [train, validation]
    .flatMap(({ locations, labels, classes }) =>
      Array.from(labels, (label, i) => `${photoName(locations, i)} ${classes[label]}`),
    )
    .sort();
}

const ALL = NAMES.map((name) => `pictures/${name}.jpg ${labelOf(name)}`);
const paths = (separator = ",") => rows((name, label) => `pictures/${name}.jpg${separator}${label}`);
const utf16be = (text: string) => Buffer.from(text, "utf16le").swap16();

describe("a list is read by looking", () => {
  const same: Record<string, string | Buffer> = {
    "no header": paths(),
    "a header of unknown names": `ImageId,LabelName\n${paths()}`,
    "a header of names in another language": `Bild,Sorte\n${paths()}`,
    "a known path column, another for labels": `filename,defect\n${paths()}`,
    "name,label": `name,label\n${paths()}`,
    semicolons: `filename;class\n${paths(";")}`,
    tabs: `filename\tclass\n${paths("\t")}`,
    "Excel's declaration": `sep=;\r\nfilename;class\r\n${paths(";")}`,
    backslashes: paths().replaceAll("pictures/", "pictures\\"),
    "backslashes and dots": paths().replaceAll("pictures/", ".\\pictures\\"),
    ids: `id,breed\n${rows((name, label) => `${name},${label}`)}`,
    "ids without a header": rows((name, label) => `${name},${label}`),
    "file names alone": `image,species\n${rows((name, label) => `${name}.jpg,${label}`)}`,
    "an ending in another case": rows((name, label) => `pictures/${name}.JPG,${label}`),
    "labels first, unknown header": `Sorte,Bild\n${rows((name, label) => `${label},pictures/${name}.jpg`)}`,
    "labels first, no header": rows((name, label) => `${label},pictures/${name}.jpg`),
    "Windows paths of another machine": rows((name, label) => `C:\\Users\\bob\\pictures\\${name}.jpg,${label}`),
    "paths of another machine": rows((name, label) => `/home/bob/data/pictures/${name}.jpg,${label}`),
    "paths from another folder": rows((name, label) => `../project/images/${name}.jpg,${label}`),
    URLs: `image_url,label\n${rows((name, label) => `https://pictures.example/a/${name}.jpg,${label}`)}`,
    "labels called y": `note,y,x\n${rows((name, label, i) => `n${i % 2},${label},pictures/${name}.jpg`)}`,
    "labels called target": `target,size,img\n${rows((name, label, i) => `${label},${i},${name}`)}`,
    "an index column": `,path,label\n${rows((name, label, i) => `${i},pictures/${name}.jpg,${label}`)}`,
    "Keras's columns": `class index,filepaths,labels,data set\n${rows((name, label, i) => `${i},pictures/${name}.jpg,${label},${i % 4 ? "train" : "test"}`)}`,
    "quotes and spaces": `"path" , "label"\n${rows((name, label) => `"pictures/${name}.jpg" , " ${label} "`)}`,
    "UTF-8 with a mark": `\ufeffpath,label\n${paths()}`,
    "carriage returns": paths().replaceAll("\n", "\r"),
    "mixed line ends": `path,label\r\n${paths()}`,
    "empty lines and rows": `path,label\n\n${paths()}\n,\n`,
    "UTF-16, little-endian": Buffer.from(`\ufeffpath,label\n${paths()}`, "utf16le"),
    "UTF-16, little-endian, no mark": Buffer.from(`path,label\n${paths()}`, "utf16le"),
    "UTF-16, big-endian": utf16be(`\ufeffpath\tlabel\n${paths("\t")}`),
    "UTF-16, big-endian, no mark": utf16be(paths()),
    "a row twice": `path,label\n${paths()}pictures/ant-0.jpg,ant\n`,
  };
  for (const [what, text] of Object.entries(same)) {
    test(what, () => assert.deepEqual(read(list(text)), ALL));
  }

  test("absolute paths, and ids below a folder of --images", () => {
    const file = list("");
    const root = dirname(file);
    writeFileSync(
      file,
      rows((name, label) => `${root}/pictures/${name}.jpg,${label}`),
    );
    assert.deepEqual(
      read(file),
      ALL.map((each) => `${root}/${each}`),
    );
    const elsewhere = list(`id,label\n${rows((name, label) => `${name},${label}`)}`, []);
    assert.deepEqual(
      read(elsewhere, { images: join(root, "pictures") }),
      ALL.map((each) => each.slice("pictures/".length)),
    );
    assert.deepEqual(read(elsewhere, { images: root }), ALL);
    assert.throws(() => read(elsewhere), inputError(/none of its pictures|in none of its columns.*--images DIR/));
    assert.throws(() => read(elsewhere, { images: join(root, "no") }), inputError(/--images: there is no folder/));
    assert.throws(() => openData(root, { images: root }), inputError(/--images: .* is no list/));
  });

  test("files of any ending and case are found for ids, in several folders", () => {
    const endings = ["jpg", "JPG", "jpeg", "PNG"];
    const files = NAMES.map((name, i) => `part${i % 2}/${name}.${endings[i % 4]}`);
    const found = read(list(`image_id,dx\n${rows((name, label) => `${name},${label}`)}`, files));
    assert.deepEqual(found, files.map((file, i) => `${file} ${labelOf(NAMES[i] as string)}`).sort());
  });

  test("labels that are numbers are classes in numeric order, though they name pictures too", () => {
    const count = 24;
    const ids = Array.from({ length: count }, (_, i) => `${i},${i % 12}\n`).join("");
    const file = list(
      `image_id,label\n${ids}`,
      Array.from({ length: count }, (_, i) => `${i}.png`),
    );
    const { train } = openPhotos(file);
    assert.deepEqual(
      train.classes,
      Array.from({ length: 12 }, (_, i) => String(i)),
    );
  });

  test("a million rows would not be kept: a folder is listed once", () => {
    const many = Array.from({ length: 20_000 }, (_, i) => `${i},${i % 2 ? "odd" : "even"}`);
    const file = list(many.join("\n"), ["0.jpg", "1.jpg"]);
    assert.throws(() => read(file), inputError(/19998 rows cannot be used/));
  });
});

describe("what cannot be used is named by its line", () => {
  const refusals: [string, string, RegExp, number][] = [
    ["no label", `path,label\n${paths().replace("ant-1.jpg,ant", "ant-1.jpg,")}`, /line 3: no label/, 11],
    ["nan", `path,label\n${paths().replace("ant-1.jpg,ant", "ant-1.jpg,nan")}`, /line 3: no label/, 11],
    ["NULL", paths().replace("ant-1.jpg,ant", "ant-1.jpg,NULL"), /line 2: no label/, 11],
    ["no picture", `path,label\n${paths()},ant\n`, /line 14: no picture/, 12],
    [
      "a missing picture",
      `path,label\n${paths()}pictures/dog.jpg,ant\n`,
      /line 14: there is no picture "pictures\/dog.jpg"/,
      12,
    ],
    ["the first is missing", `pictures/dog.jpg,ant\n${paths()}`, /line 1: there is no picture/, 12],
    ["the header again", `Bild,Sorte\n${paths()}Bild,Sorte\n`, /line 14: the line of names again/, 12],
    ["two labels", `${paths()}pictures/ant-0.jpg,bee\n`, /line 13: .* has another label than in line 1/, 12],
  ];
  for (const [what, text, message, left] of refusals) {
    test(what, () => {
      const file = list(text);
      assert.throws(() => read(file), inputError(message));
      assert.throws(() => read(file), inputError(/--skip-bad-rows/));
      assert.equal(read(file, { skipBadRows: true }).length, left);
      assert.match(openPhotos(file, undefined, { skipBadRows: true }).description, message);
    });
  }

  test("two files for one id", () => {
    const file = list(
      rows((name, label) => `${name},${label}`),
      [...NAMES.map((name) => `${name}.jpg`), "bee-2.png"],
    );
    assert.throws(() => read(file), inputError(/line 7: "bee-2" may be "bee-2.(jpg|png)" or "bee-2.(jpg|png)"/));
  });

  test("columns that cannot be told apart are listed", () => {
    const file = list(`path,colour,sort\n${rows((name, label, i) => `pictures/${name}.jpg,c${i % 2},${label}`)}`);
    assert.throws(
      () => read(file),
      inputError(/which column has the labels cannot be told from "path", "colour", "sort".*--label-column NAME/),
    );
    assert.deepEqual(read(file, { labelColumn: "sort" }), ALL);
    assert.deepEqual(read(file, { labelColumn: "3", pathColumn: "Path" }), ALL);
    assert.throws(
      () => read(file, { labelColumn: "kind" }),
      inputError(/--label-column: .* no column "kind".*"colour"/),
    );
    const masks = list(`a,b,label\n${rows((name, label) => `pictures/${name}.jpg,masks/${name}.png,${label}`)}`, [
      ...NAMES.map((name) => `pictures/${name}.jpg`),
      ...NAMES.map((name) => `masks/${name}.png`),
    ]);
    assert.throws(() => read(masks), inputError(/which column has the pictures.*--path-column NAME/));
    assert.deepEqual(read(masks, { pathColumn: "a" }), ALL);
  });

  test("columns of 0 and 1, one a class, are labels", () => {
    const flags = (of: (label: string) => readonly string[], one = "1") =>
      `image,ant,bee,cat\n${rows((name, label) => `${name},${CLASSES.map((each) => (of(label).includes(each) ? one : "0")).join()}`)}`;
    const words = flags((label) => [label], "True").replace(/,0(?=[,\n])/g, ",False");
    assert.deepEqual(read(list(words)), ALL);
    for (const one of ["1", "1.0"]) assert.deepEqual(read(list(flags((label) => [label], one))), ALL);
    const alone = flags((label) => [label]);
    assert.throws(() => read(list(alone.replace("ant-1,1", "ant-1,0"))), inputError(/line 3: no label/));
    assert.throws(
      () => read(list(alone.replace("ant-1,1,0", "ant-1,1,1"))),
      inputError(/line 3: several labels, "ant" and "bee"/),
    );
    assert.throws(
      () => read(list(flags((label) => [label, "cat"]))),
      inputError(/several labels a picture, in columns of 0 and 1: give --multi-label/),
    );
    const ofAnts = read(list(flags((label) => [label, "cat"])), { labelColumn: "ant" });
    assert.deepEqual(
      ofAnts,
      ALL.map((each) => each.replace(/ (\w+)$/, (_, label) => ` ${+(label === "ant")}`)),
    );
  });

  test("another encoding, a header alone, one column", () => {
    assert.throws(() => read(list(Buffer.from("path,label\na.jpg,\xb0\xa1\n", "latin1"))), inputError(/is not UTF-8/));
    const utf32 = Buffer.from("\xff\xfe\0\0p\0\0\0", "latin1");
    assert.throws(() => read(list(utf32)), inputError(/is UTF-32: save it as/));
    assert.throws(() => read(list("path,label\n")), inputError(/holds no rows/));
    assert.throws(() => read(list("a.jpg\nb.jpg\n")), inputError(/has one column/));
  });

  test("labels that look alike, or like several in one, are said", () => {
    const odd = (label: string) => `${paths()}pictures/x.jpg,${label}\n`;
    const files = [...NAMES, "x"].map((name) => `pictures/${name}.jpg`);
    assert.match(openPhotos(list(odd("Cat"), files)).description, /classes "Cat" and "cat" differ in case/);
    assert.match(openPhotos(list(odd("ant|bee"), files)).description, /"ant\|bee" looks like several labels/);
    assert.match(openPhotos(list(odd("cat bee"), files)).description, /"cat bee" looks like several labels/);
    assert.doesNotMatch(openPhotos(list(odd("hot dog"), files)).description, /several/);
    assert.match(openPhotos(list(odd("None"), files)).description, /"None" is taken for a class: if it stands for no/);
  });

  test("sets of labels are said to be so, also where none of them stands alone", () => {
    const described = (labels: readonly string[]) =>
      openPhotos(list(`image,tags\n${rows((name, _, i) => `${name},${labels[i % labels.length]}`)}`)).description;
    assert.match(described(["a|b", "b|c", "a|c"]), /"a\|b" looks like several labels/);
    assert.match(described(["dry hot", "hot", "hot wet", "cold dry", "cold wet dry"]), /looks like several labels/);
    assert.doesNotMatch(described(["golden retriever", "labrador retriever", "great dane"]), /several/);
    assert.doesNotMatch(described(["red circle", "blue circle", "red square", "blue square"]), /several/);
  });

  test("columns and splits of which nothing is read are said", () => {
    const further = `image,species,fold,split\n${rows((name, label, i) => `${name},${label},${i},${["train", "val", "test"][i % 3]}`)}`;
    assert.match(
      openPhotos(list(further)).description,
      /4 validation and 4 test photographs.*; columns not used: "fold"/,
    );
    assert.doesNotMatch(
      openPhotos(list(`,path,label\n${rows((name, label, i) => `${i},${name},${label}`)}`)).description,
      /not used/,
    );
  });

  test("one picture of each class, and the same names in several folders, are refused for what they are", () => {
    const measured = `image,age\n${rows((name, _, i) => `${name},${1.5 * i}`)}`;
    assert.throws(
      () => read(list(measured)),
      inputError(/one picture of each of its 12 classes \("0", "1.5", "3", …\)/),
    );
    const twice = NAMES.flatMap((name) => [`train/${name}.jpg`, `test/${name}.jpg`]);
    const names = rows((name, label) => `${name},${label}`);
    assert.throws(
      () => read(list(`image,label\n${names}`, twice)),
      inputError(
        /in several folders below .*line 2: "ant-0" may be "test\/ant-0.jpg" or "train\/ant-0.jpg"\): say which by --images/,
      ),
    );
  });
});

describe("paths of another machine", () => {
  const files = CLASSES.flatMap((name) => [0, 1, 2, 3].map((i) => `${name}/${i}.jpg`));
  const foreign = (row: (label: string, i: number) => string) =>
    CLASSES.flatMap((name) => [0, 1, 2, 3].map((i) => `${row(name, i)},${name}\n`)).join("");

  test("are told apart by their folders", () => {
    const expected = files.map((file) => `${file} ${file.slice(0, 3)}`);
    assert.deepEqual(
      read(
        list(
          foreign((label, i) => `D:\\set\\${label}\\${i}.jpg`),
          files,
        ),
      ),
      expected,
    );
    assert.deepEqual(
      read(
        list(
          foreign((label, i) => `/data/set/${label}/${i}`),
          files,
        ),
      ),
      expected,
    );
  });

  test("one that is not there is no other of its name", () => {
    const without = files.filter((file) => file !== "cat/2.jpg");
    const text = foreign((label, i) => `/data/set/${label}/${i}.jpg`);
    assert.throws(
      () => read(list(text, without)),
      inputError(/line 11: there is no picture "\/data\/set\/cat\/2.jpg"/),
    );
    assert.throws(
      () =>
        read(
          list(
            foreign((_, i) => `/data/set/${i}.jpg`),
            files,
          ),
        ),
      inputError(/may be "ant\/0.jpg" or "bee\/0.jpg" or "cat\/0.jpg"/),
    );
  });
});

describe("a list for validation beside one for training", () => {
  const half = (rest: number) =>
    `path,label\n${rows((name, label, i) => (i % 2 === rest ? `pictures/${name}.jpg,${label}` : ""))}`;
  const pair = (names: readonly [string, string], second = half(1)) => {
    const folder = dirname(list(""));
    writeFileSync(join(folder, names[0]), half(0));
    writeFileSync(join(folder, names[1]), second);
    return join(folder, names[0]);
  };

  test("is taken by its name, and said", () => {
    for (const names of [
      ["train.csv", "val.csv"],
      ["train.csv", "test.csv"],
      ["Train.csv", "Valid.csv"],
      ["birds_training_1.csv", "birds_validation_1.csv"],
    ] as const) {
      const file = pair(names);
      const { train, validation, description, split } = openPhotos(file);
      assert.deepEqual([train.count, validation.count, split], [6, 6, "given"]);
      assert.ok(description.includes(`${names[0]} and ${names[1]}`), description);
      // To measure, it is the list alone that was given.
      const whole = openWhole(file);
      assert.deepEqual([whole.train.count, whole.validation.count], [0, 6]);
    }
  });

  test("other lists are not", () => {
    for (const names of [
      ["train.csv", "sample.csv"],
      ["trainer.csv", "val.csv"],
      ["list.csv", "val.csv"],
    ] as const) {
      assert.notEqual(openPhotos(pair(names)).split, "given");
    }
    assert.notEqual(openPhotos(pair(["train.csv", "test.csv"], "path\npictures/ant-1.jpg\n")).split, "given");
  });

  test("its rows are told of, and pictures in both", () => {
    assert.throws(
      () => openPhotos(pair(["train.csv", "val.csv"], half(1).replace(/ant-1.jpg,ant/, "ant-1.jpg,"))),
      inputError(/val.csv line \d: no label/),
    );
    const dog = half(1).replace("bee-1.jpg,bee", "bee-1.jpg,dog");
    assert.throws(
      () => openPhotos(pair(["train.csv", "val.csv"], dog)),
      inputError(/"dog" in .*val.csv is a class that .*train.csv does not have/),
    );
    assert.match(openPhotos(pair(["train.csv", "val.csv"], half(0))).description, /6 pictures in several splits/);
    const other = half(0).replace("ant-0.jpg,ant", "ant-0.jpg,bee");
    assert.throws(
      () => openPhotos(pair(["train.csv", "val.csv"], other)),
      inputError(/has another label than in line 2/),
    );
  });
});
