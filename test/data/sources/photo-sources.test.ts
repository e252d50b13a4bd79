/** Folders, tables and tar files of photographs: classes and order are torchvision's, splits are stable, names may be anything. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { byCodePoint } from "../../../src/data/sources/photos/code-point-order.js";
import { openData } from "../../../src/data/sources/open.js";
import { photoName, readPhoto } from "../../../src/data/photos/photo-locations.js";
import { openPhotos } from "../../../src/data/sources/open.js";
import type { PhotoSet } from "../../../src/data/photos/photo-set.js";
import type { Labelled } from "../../../src/data/sampling/assignment.js";
import { stratifiedSplit } from "../../../src/data/sampling/stratified-split.js";
import { inputError } from "../../support/input-error.js";
import { runPython } from "../../support/oracle.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-photos-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

let folders = 0;
/** A new folder with these files; what they hold is their name, where nothing else is said. */
function folder(...files: (string | [name: string, content: string])[]): string {
  const root = join(scratch, `set-${folders++}`);
  mkdirSync(root);
  for (const file of files) {
    const [name, content] = typeof file === "string" ? [file, file] : file;
    mkdirSync(join(root, dirname(name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}

/** [name, class] of each picture in order. */
function entries(...sets: PhotoSet[]): [string, string | undefined][] {
  return sets.flatMap(({ labels, classes, locations }) =>
    Array.from(labels, (label, i): [string, string | undefined] => [photoName(locations, i), classes[label]]),
  );
}

function numbered(count: number, name: (i: number) => string): string[] {
  return Array.from({ length: count }, (_, i) => name(i));
}

function refused(spec: string, message: RegExp): void {
  assert.throws(() => openPhotos(spec), inputError(message));
}

function tar(file: string, kind: "ustar" | "gnu" | "pax", members: readonly [string, string][]): string {
  runPython("make_tar.py", file, kind, JSON.stringify(members));
  return file;
}

describe("folders", () => {
  const awkward = [
    "train/b/2.jpg",
    "train/b/10.JPEG",
    "train/B/x.png",
    "train/a-b/x.webp",
    "train/a/z.tif",
    "train/a/z/deep/1.jpg",
    "train/a/z-1/1.jpg",
    "train/class 10/\u00e9.jpg",
    "train/class 2/two\nlines \"'&<.jpg",
    "train/\u{1f33b}/\u{1f33b}.jpg",
    "train/\uff01/\uff01.jpg",
    "val/a/v.jpg",
  ];

  test("classes, labels and order are those of torchvision's ImageFolder", () => {
    const root = folder(...awkward, "train/a/.hidden.jpg", "train/a/notes.txt", "train/README", "LICENSE");
    rmSync(join(root, "train/a/.hidden.jpg")); // the only difference: torchvision takes hidden files
    const { train, validation, split, otherFiles } = openPhotos(root);
    const expected = JSON.parse(runPython("image_folder.py", join(root, "train")));
    assert.deepEqual(train.classes, expected.classes);
    const mine = Array.from(train.labels, (label, i) => [photoName(train.locations, i), label]);
    assert.deepEqual(
      mine,
      expected.samples.map(([path, label]: [string, number]) => [`train/${path}`, label]),
    );
    assert.deepEqual(entries(validation), [["val/a/v.jpg", "a"]]);
    assert.equal(validation.classes, train.classes);
    assert.equal(split, "given");
    assert.deepEqual(otherFiles, { count: 3, examples: ["LICENSE", "train/README", "train/a/notes.txt"] });
  });

  test("byCodePoint is the order of UTF-8 bytes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (a, b) => {
        assert.equal(Math.sign(byCodePoint(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
  });

  test("the bytes of a picture, whatever its name", async () => {
    const { train } = openPhotos(folder(...awkward));
    for (let i = 0; i < train.count; i++) {
      assert.equal((await readPhoto(train.locations, i)).toString(), photoName(train.locations, i));
    }
  });

  test("valid/ and validation/ go before test/, which is then measured at the end; a lone train/ is split", () => {
    const pictures = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"];
    const of = (...splits: string[]) => openPhotos(folder(...splits.flatMap((s) => pictures.map((p) => `${s}/${p}`))));
    assert.match(photoName(of("train", "test").validation.locations, 0), /^test/);
    const both = of("Training", "testing", "valid");
    assert.match(photoName(both.validation.locations, 0), /^valid/);
    assert.match(photoName((both.test as PhotoSet).locations, 0), /^testing/);
    assert.deepEqual(both.otherFiles.examples, []);
    assert.match(both.description, /Training\/ and valid\//);
    const lone = of("train");
    assert.deepEqual(lone.split, { fraction: 0.2, seed: 0 });
    assert.deepEqual([lone.train.count, lone.validation.count, lone.train.classes], [2, 2, ["a", "b"]]);
    assert.deepEqual(openPhotos(folder("train/1.jpg", "car/1.jpg", "car/2.jpg")).train.classes, ["car", "train"]);
  });

  test("links are followed, but not in circles; a broken one, a folder or a vanished file is refused by name", async () => {
    const root = folder("a/1.jpg", "b/1.jpg", "elsewhere/2.jpg", "x/a/1.jpg");
    symlinkSync("../elsewhere/2.jpg", join(root, "a/link.jpg"));
    symlinkSync("../elsewhere", join(root, "a/more"));
    symlinkSync(".", join(root, "a/circle"));
    symlinkSync("../..", join(root, "a/up"));
    symlinkSync("../b", join(root, "x/across"));
    symlinkSync("../x", join(root, "b/across"));
    symlinkSync("nowhere", join(root, "a/broken.jpg"));
    mkdirSync(join(root, "a/folder.jpg"));
    const { train, validation, otherFiles } = openPhotos(root);
    const names = entries(train, validation).map(([name]) => name);
    assert.deepEqual(names.filter((name) => name.startsWith("a/")).sort(), [
      "a/1.jpg",
      "a/broken.jpg",
      "a/folder.jpg",
      "a/link.jpg",
      "a/more/2.jpg",
    ]);
    assert.equal(otherFiles.examples.filter((path) => path.includes("a link back")).length, 4);
    const read = (name: string) => {
      const set = [train, validation].find((set) => entries(set).some(([entry]) => entry === name)) as PhotoSet;
      return readPhoto(
        set.locations,
        entries(set).findIndex(([entry]) => entry === name),
      );
    };
    assert.equal(String(await read("a/link.jpg")), "elsewhere/2.jpg");
    await assert.rejects(read("a/broken.jpg"), inputError(/"a\/broken.jpg": no such file/));
    await assert.rejects(read("a/folder.jpg"), inputError(/"a\/folder.jpg": it is a folder/));
  });

  test("what cannot be trained on is refused", () => {
    refused(folder("1.jpg"), /holds no folders of pictures/);
    refused(folder("a/1.jpg"), /holds 1 class, "a": two are needed/);
    refused(folder("a/1.jpg", "b/notes.txt"), /class folder "b" in .* holds no pictures/);
    refused(folder("train/a/1.jpg", "train/b/1.jpg", "val/c/1.jpg"), /"val\/c" in .* train\/ does not have/);
    refused(folder("train/a/1.jpg", "train/b/1.jpg", "val/notes.txt"), /one picture of each of its 2 classes/);
    refused(folder("a/1.jpg", "b/1.jpg"), /holds one picture of each of its 2 classes \("a", "b"\): two are needed/);
    refused(join(scratch, "nowhere"), /there is no /);
  });
});

describe("the split of a source that has none", () => {
  const items = (names: readonly string[]): Labelled => ({
    count: names.length,
    label: (i) => (names[i] as string).charCodeAt(0),
    name: (i) => names[i] as string,
  });
  const held = (names: readonly string[], seed = 0, fraction = 0.2) =>
    Array.from(stratifiedSplit(items(names), fraction, seed).validation, (i) => names[i] as string);

  test("each class gives its share, at least one, never all", () => {
    const names = [...numbered(100, (i) => `a${i}`), ...numbered(7, (i) => `b${i}`), "c0", "c1", "d0"];
    const classes = held(names).map((name) => name.charAt(0));
    assert.equal(classes.join(""), `${"a".repeat(20)}bc`);
    const { train, validation } = stratifiedSplit(items(names), 0.9, 3);
    assert.deepEqual(
      [...train, ...validation].sort((a, b) => a - b),
      [...names.keys()],
    );
    assert.equal(held(["c0", "c1"], 0, 0.99).length, 1);
  });

  test("depends on names and seed only, and new pictures move few others", () => {
    const names = numbered(500, (i) => `a${i}`);
    const before = held(names);
    assert.deepEqual(held(names.toReversed()).sort(), before.toSorted());
    assert.notDeepEqual(held(names, 1), before);
    const grown = new Set(held([...names, ...numbered(50, (i) => `a-new${i}`)]));
    const moved = before.filter((name) => !grown.has(name)).length;
    assert.ok(moved <= 10, `${moved} left validation`);
  });

  test("is the same each time a folder is opened", () => {
    const root = folder(...numbered(20, (i) => `a/${i}.jpg`), ...numbered(10, (i) => `b/${i}.jpg`));
    const first = openPhotos(root);
    assert.deepEqual(first, openPhotos(root));
    assert.deepEqual([first.train.count, first.validation.count], [24, 6]);
    assert.notDeepEqual(entries(openPhotos(root, { seed: 1 }).validation), entries(first.validation));
    assert.match(first.description, /24 training and 6 validation photographs, 2 classes, .*20 % of each class/);
    assert.equal(new Set(entries(first.train, first.validation).map(([name]) => name)).size, 30);
  });
});

describe("tables", () => {
  const table = (text: string) =>
    join(folder(["set.csv", text], "in/1.jpg", "in/2.jpg", "x,y.jpg", ...numbered(12, (i) => `${i}.jpg`)), "set.csv");
  const rows = 'in/1.jpg,dog,train\nin/2.jpg,cat,train\n"x,y.jpg",dog,val\n./in/../3.jpg,cat,test\n';

  test("with and without a line of names, in any order of columns", async () => {
    const expected = [
      ["in/1.jpg", "dog"],
      ["in/2.jpg", "cat"],
      ["x,y.jpg", "dog"],
    ];
    for (const text of [
      rows,
      `path,label,split\n${rows}`,
      `\ufeffPath, Label, Split\r\n${rows.replaceAll("\n", "\r\n")}`,
    ]) {
      const { train, validation, split } = openPhotos(table(text));
      assert.deepEqual(entries(train, validation), expected);
      assert.deepEqual([train.classes, split], [["cat", "dog"], "given"]);
      assert.equal(String(await readPhoto(validation.locations, 0)), "x,y.jpg");
    }
    assert.deepEqual(
      entries(openPhotos(table("label,id,file\na,0,in/1.jpg\nb,1,3.jpg\na,2,in/2.jpg\nb,3,2.jpg")).train).length,
      2,
    );
  });

  test("labels that are numbers are sorted as such", () => {
    const text = numbered(12, (i) => `${i}.jpg,${(7 * i) % 12},${i % 12 === 3 ? "val" : "train"}`).join("\n");
    assert.deepEqual(openPhotos(table(text)).train.classes, numbered(12, String));
  });

  test("a row that says nothing is refused with its line", () => {
    refused(table(`${rows}only-a-path.jpg\n`), /set.csv: 1 row .*line 5: no label/);
    refused(table("1.jpg,x,train\n2.jpg,y,val\n3.jpg,y,maybe\n"), /line 3: the split "maybe" is neither/);
    refused(table("1.jpg,x,train\n2.jpg,y\n"), /some rows have a split and some have none/);
    refused(table("1.jpg,x,val\n2.jpg,y,val\n"), /no row has the split "train"/);
    refused(table(""), /holds no rows/);
    refused(table('a.jpg,"x\n'), /is no CSV file/);
  });
});

describe("WebDataset", () => {
  const sample = (i: number): [string, string][] => [
    [`${i}.jpg`, `picture ${i}`],
    [`${i}.cls`, `${i % 3}\n`],
  ];

  test("shards of each kind of tar file, pictures read out of them", async () => {
    const root = folder();
    const long = `${"folder/".repeat(20)}${"n".repeat(120)}`;
    const special: [string, string][] = [
      [`${long}.jpg`, "long"],
      [`${long}.cls`, "2"],
      ["\u00fc.png", "umlaut"],
      ["\u00fc.cls", "0"],
    ];
    tar(join(root, "s-08.tar"), "ustar", [...sample(0), ...sample(1), ["readme.txt", "?"]]);
    tar(join(root, "s-09.tar"), "gnu", [...sample(2), ...special]);
    tar(join(root, "s-10.tar"), "pax", [
      ...sample(3),
      ...special,
      ["9.seg.png", "mask"],
      ["9.json", '{"label": 1}'],
      ["9.webp", "nine"],
    ]);
    for (const spec of [root, join(root, "s-{08..10}.tar")]) {
      const { train, validation, otherFiles } = openPhotos(spec);
      const found = new Map(entries(train, validation));
      assert.equal(found.size, 9);
      assert.equal(found.get(`s-10.tar/${long}.jpg`), "2");
      assert.equal(found.get("s-10.tar/\u00fc.png"), "0");
      assert.equal(found.get("s-10.tar/9.webp"), "1");
      assert.deepEqual(otherFiles.examples, ["s-08.tar/readme.txt", "s-10.tar/9.seg.png"]);
      for (const set of [train, validation]) {
        for (const [i, [name]] of entries(set).entries()) {
          const text = String(await readPhoto(set.locations, i));
          const expected = /(\d)\.jpg$/.exec(name)?.[1];
          assert.equal(
            text,
            expected ? `picture ${expected}` : name.includes("webp") ? "nine" : name.includes("nn") ? "long" : "umlaut",
          );
        }
      }
    }
  });

  test("splits by folder or by the shards' names; names of classes", () => {
    const members = [...sample(0), ...sample(1), ...sample(2)];
    const root = folder(["classes.txt", "cat\ndog\nemu\n"], "train/.keep", "val/.keep");
    tar(join(root, "train/0.tar"), "ustar", members);
    tar(join(root, "val/0.tar"), "ustar", sample(4));
    const inFolders = openPhotos(root);
    assert.deepEqual(
      entries(inFolders.train).map(([, name]) => name),
      ["cat", "dog", "emu"],
    );
    assert.deepEqual(entries(inFolders.validation), [["val/0.tar/4.jpg", "dog"]]);
    assert.equal(inFolders.otherFiles.count, 0);

    const named = folder();
    tar(join(named, "photos-train-0.tar"), "ustar", members);
    tar(join(named, "photos-val-0.tar"), "ustar", sample(5));
    assert.deepEqual(entries(openPhotos(named).validation), [["photos-val-0.tar/5.jpg", "2"]]);

    const words = tar(join(folder(), "words.tar"), "ustar", [
      ...["emu", "cat", "emu", "cat"].flatMap((label, i): [string, string][] => [
        [`${i}.json`, JSON.stringify({ label })],
        [`${i}.jpg`, ""],
      ]),
    ]);
    assert.deepEqual(openPhotos(words).train.classes, ["cat", "emu"]);
  });

  test("what cannot be used is refused", async () => {
    const root = folder(["z.tar.gz", gzipSync("x".repeat(9999)).toString("latin1")]);
    writeFileSync(join(root, "z.tar.gz"), gzipSync("x".repeat(9999)));
    refused(join(root, "z.tar.gz"), /is compressed.*unpack it with gunzip/);
    refused(root, /is compressed/);
    refused(join(folder(["t.tar", "no tar file".repeat(100)]), "t.tar"), /is no tar file, or damaged at byte 0/);
    refused(tar(join(folder(), "t.tar"), "ustar", [["1.jpg", ""]]), /the picture "t.tar\/1.jpg" has no class/);
    refused(
      tar(join(folder(["classes.txt", "cat\ndog\n"]), "t.tar"), "ustar", sample(2)),
      /label "2" is none of the 2 classes/,
    );
    refused(join(folder(), "s-{0..1}.tar"), /there is no shard ".*s-0.tar"/);
    const cut = tar(join(folder(), "cut.tar"), "ustar", [...sample(0), ["1.jpg", "x".repeat(50_000)], ["1.cls", "1"]]);
    truncateSync(cut, 20_000);
    refused(cut, /is cut off/);
    // Cut where a member ends: only the picture's label and the mark of the end are missing.
    const between = tar(join(folder(), "between.tar"), "ustar", [...sample(0), ...sample(1)]);
    truncateSync(between, 3 * 1024);
    refused(between, /"between.tar" is cut off: its last picture, "between.tar\/1.jpg", has no class/);
    refused(
      tar(join(folder(["classes.txt", "cat\ndog\ncat\n"]), "t.tar"), "ustar", sample(2)),
      /classes.txt names the class "cat" twice/,
    );
  });

  test("labels that classes.txt names are names, though they are numbers", () => {
    const root = folder(["classes.txt", "2\n1\n0\n"]);
    const { classes, labels } = openPhotos(
      tar(join(root, "t.tar"), "ustar", [...sample(1), ...sample(2), ...sample(4)]),
    ).train;
    assert.deepEqual(
      [classes, [...new Set(labels)].sort()],
      [
        ["2", "1", "0"],
        [0, 1],
      ],
    );
  });

  test("labels that stand for none, and tar files without pictures, are refused", () => {
    const labelled = (label: string): [string, string][] => [...sample(1), ["9.jpg", ""], ["9.cls", label]];
    for (const label of ["", "nan"]) {
      refused(tar(join(folder(), "t.tar"), "ustar", labelled(label)), /"t.tar\/9.jpg" has no class: its label is "/);
    }
    refused(
      tar(join(folder(), "t.tar"), "ustar", [
        ["1.bmp", ""],
        ["1.cls", "0"],
      ]),
      /holds no pictures.*, as "t.tar\/1.bmp"/,
    );
  });

  test("a file without the mark of its end, and a shard called like another split, are said", () => {
    const members = [0, 1, 2, 3, 4, 5, 6].flatMap(sample);
    const cut = tar(join(folder(), "cut.tar"), "ustar", members);
    truncateSync(cut, 6 * 4 * 512); // six pictures of the seven, each with its label
    const whole = openPhotos(tar(join(folder(), "t.tar"), "ustar", members));
    const root = folder();
    for (const shard of ["a-train-0.tar", "a-dev-0.tar"]) tar(join(root, shard), "ustar", members);
    assert.match(openPhotos(root).description, /; "a-dev-0.tar" is trained on as well/);
    assert.doesNotMatch(whole.description, /end mark|trained on/);
    assert.match(openPhotos(cut).description, /; "cut.tar" has no end mark, and may be cut off/);
  });

  test("keys with dots are refused, in all names or some", () => {
    const dotted = (i: number): [string, string][] => [
      [`img.v1.${i}.jpg`, ""],
      [`img.v1.${i}.cls`, String(i % 2)],
    ];
    for (const members of [
      [...dotted(0), ...dotted(1)],
      [...sample(0), ...sample(1), ...dotted(3)],
    ]) {
      refused(tar(join(folder(), "t.tar"), "ustar", members), /"t.tar\/img.v1.\d.jpg" .* keys end at the first dot/);
    }
  });

  test("numbers that are no indices are names", () => {
    const labelled = (labels: readonly string[]) =>
      openPhotos(
        tar(
          join(folder(), "t.tar"),
          "ustar",
          [...labels, ...labels].flatMap((label, i): [string, string][] => [
            [`${i}.jpg`, ""],
            [`${i}.cls`, label],
          ]),
        ),
      );
    const sparse = labelled(["1008", "1001", "1015"]).train;
    assert.deepEqual(sparse.classes, ["1001", "1008", "1015"]);
    const mixed = labelled([...numbered(12, String), "word"]).train;
    assert.equal(mixed.classes.length, 13);
    const found = entries(mixed);
    assert.ok(
      found.length === 13 &&
        found.every(
          ([name, label]) =>
            label ===
            ([...numbered(12, String), "word"] as string[])[Number.parseInt(name.replace("t.tar/", ""), 10) % 13],
        ),
    );
    const gap = labelled(["0", "1", "3"]);
    assert.deepEqual(gap.train.classes, ["0", "1", "2", "3"]);
    assert.match(
      gap.description,
      /; no training pictures of 1 class \("2"\); no validation pictures of 1 class \("2"\)/,
    );
    assert.doesNotMatch(labelled(["0", "1", "2"]).description, /no training|end mark/);
  });
});

test("openData opens photographs too", () => {
  const source = openData(folder("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"));
  assert.ok("kind" in source && source.train.count === 2);
  assert.throws(() => openData(folder("a/notes.txt")), inputError(/understood are .*photographs/));
});
