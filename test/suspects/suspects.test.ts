/** Labels that are probably wrong: cleanlab's on the same probabilities (test/python/cleanlab_issues.py); found in folds, listed, shown, left out. */
import assert from "node:assert/strict";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { openPhotos } from "../../src/data/sources/open.js";
import { excludedBy } from "../../src/data/sources/tables/excluded-file.js";
import { crossValidate } from "../../src/folds/cross-validate.js";
import { labelIssues } from "../../src/metrics/confident-learning.js";
import { writeSuspects } from "../../src/suspects/write-suspects.js";
import { commandLines } from "../support/command.js";
import { inputError } from "../support/input-error.js";
import { repositoryRoot } from "../support/oracle.js";
import { numbered, writePhotos } from "../support/tiny-photos.js";
import { scratchFolder, tiny } from "../support/tiny-training.js";

interface Case {
  readonly labels: readonly number[];
  readonly probabilities: readonly (readonly number[])[];
  readonly issues: readonly number[];
  readonly quality: readonly number[];
}

const { cases }: { cases: Case[] } = JSON.parse(
  readFileSync(join(repositoryRoot, "test/suspects/cleanlab.json"), "utf8"),
);
const at = scratchFolder("suspects");
const planted = ["ant/b0.jpg", "ant/b1.jpg", "bee/a0.jpg"];

before(async () => {
  await writePhotos(
    at("photos"),
    ["ant", "bee"].flatMap((name) => numbered(name, 30)),
  );
  for (const [from, to] of [
    ["bee/00.jpg", "ant/b0.jpg"],
    ["bee/01.jpg", "ant/b1.jpg"],
    ["ant/00.jpg", "bee/a0.jpg"],
  ] as const) {
    renameSync(at("photos", from), at("photos", to));
  }
  const recipe = tiny({ imageSize: 24, epochs: 6 });
  for await (const _ of crossValidate({ data: at("photos"), split: { folds: 2 }, recipe, out: at("out"), workers: 0 }));
});

test("the images and their order are cleanlab's, also with few images of a class, none, much noise or none", () => {
  assert.equal(cases.length, 6);
  for (const { labels, probabilities, issues, quality } of cases) {
    const found = labelIssues({ labels, probabilities, classes: probabilities[0]?.length ?? 0 });
    assert.deepEqual(found, issues);
    const own = found.map((image) => probabilities[image]?.[labels[image] as number]);
    assert.deepEqual(own, quality);
  }
});

test("planted labels are found in what folds say; the list, the page and the answer have the same images in the same order", async () => {
  const found = await writeSuspects(at("out"), {});
  const names = found.suspects.map(({ name }) => name);
  assert.deepEqual([found.images, found.folds, found.classes], [60, 2, ["ant", "bee"]]);
  assert.ok(planted.filter((name) => names.includes(name)).length >= 2, names.join(", "));
  const list = readFileSync(found.files.csv, "utf8").trim().split("\n");
  assert.equal(list[0], "path,class,predicted,of_class,confidence");
  assert.deepEqual(
    list.slice(1).map((line) => line.split(",")[0]),
    names,
  );
  const page = readFileSync(found.files.html, "utf8");
  assert.deepEqual(
    Array.from(page.matchAll(/class="file"><bdi>(.*?)<\/bdi>/g), ([, name]) => name),
    names,
  );
  assert.equal(page.match(/<img src="data:image\/webp/g)?.length, names.length);
  const [text, json] = await commandLines([
    ["suspects", at("out")],
    ["suspects", at("out"), "--json", "--out", at("other.csv")],
  ]);
  assert.match(text?.stdout ?? "", new RegExp(`${names.length} probably wrong labels? among 60 images`));
  assert.deepEqual(
    (JSON.parse(json?.stdout ?? "") as { image: string }[]).map(({ image }) => image),
    names,
  );
  const { train, validation } = openPhotos(at("photos"), { exclude: excludedBy(found.files.csv) });
  assert.equal(train.count + validation.count, 60 - names.length);
});

test("of a run the held-out images are looked at; what is no run, and no list, is refused", async () => {
  const found = await writeSuspects(at("out/fold-1"), {}, at("held.csv"));
  assert.deepEqual([found.images, found.folds], [30, 0]);
  await assert.rejects(writeSuspects(at("out"), {}, at("list.txt")), inputError(/the name of a list ends in \.csv/));
  await assert.rejects(writeSuspects(at("photos"), {}, at("list.csv")), inputError(/is no run folder/));
});
