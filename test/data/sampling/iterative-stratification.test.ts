/** Images of several labels, divided as evenly as the iterative-stratification package divides them: test/python/stratified_labels.py. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { heldOutOf } from "../../../src/data/sampling/held-out.js";
import { iterativelyStratified } from "../../../src/data/sampling/iterative-stratification.js";
import { labelSetsOf } from "../../support/label-sets.js";
import { repositoryRoot } from "../../support/oracle.js";

interface Case {
  readonly name: string;
  readonly folds: number;
  readonly shown: readonly (readonly number[])[];
  readonly deviations: readonly number[];
  readonly random: readonly number[];
}

const file = join(repositoryRoot, "test/data/sampling/stratified-labels.json");
const { cases }: { cases: readonly Case[] } = JSON.parse(readFileSync(file, "utf8"));

function itemsOf(shown: Case["shown"], group?: (index: number) => number) {
  const { labels, labelSets } = labelSetsOf(shown);
  return { count: shown.length, label: (at: number) => labels[at] as number, labelSets, name: String, group };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** As the script has it. */
function deviation(shown: Case["shown"], partOf: Uint16Array, folds: number): number {
  const odds = (rows: Case["shown"], label: number) => {
    const count = rows.filter((row) => row[label] === 1).length;
    return count / Math.max(1, rows.length - count);
  };
  return mean(
    Array.from({ length: folds }, (_, fold) => shown.filter((_, at) => partOf[at] === fold)).flatMap((rows) =>
      (shown[0] ?? []).map((_, label) => Math.abs(odds(rows, label) - odds(shown, label))),
    ),
  );
}

for (const { name, folds, shown, deviations, random } of cases) {
  test(`classes are as evenly in all folds as by iterative-stratification: ${name}`, () => {
    const items = itemsOf(shown);
    const shares = Array.from({ length: folds }, () => 1 / folds);
    const found = deviations.map((_, seed) => {
      const partOf = iterativelyStratified(items, items.labelSets, shares, seed);
      const sizes = shares.map((_, fold) => partOf.filter((part) => part === fold).length);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 0.06 * shown.length, `folds of ${sizes} images`);
      return deviation(shown, partOf, folds);
    });
    assert.ok(mean(found) < 1.15 * mean(deviations), `${mean(found)}, and the package has ${mean(deviations)}`);
    assert.ok(mean(found) < 0.7 * mean(random), `${mean(found)}, and chance has ${mean(random)}`);
  });
}

test("a class of few images is in both parts, what has no label is spread too, and the same seed divides alike", () => {
  // 100 images: 5 show the rare class, 20 nothing.
  const shown = Array.from({ length: 100 }, (_, at) => [at % 5 < 4 ? 1 : 0, at % 20 === 0 ? 1 : 0]);
  const heldOut = { fraction: 0.2, seed: 3 };
  const { train, validation } = heldOutOf(itemsOf(shown), heldOut, ["often", "rare"]);
  const count = (part: Uint32Array, row: string) => [...part].filter((at) => shown[at]?.join() === row).length;
  assert.deepEqual([train.length, validation.length], [80, 20]);
  assert.deepEqual([count(validation, "1,1"), count(validation, "1,0"), count(validation, "0,0")], [1, 15, 4]);
  assert.deepEqual(heldOutOf(itemsOf(shown), heldOut, ["often", "rare"]).validation, validation);
  const other = heldOutOf(itemsOf(shown), { ...heldOut, seed: 4 }, ["often", "rare"]);
  assert.notDeepEqual(other.validation, validation);
});

test("groups are in one part, and folds hold each image once", () => {
  const shown = Array.from({ length: 60 }, (_, at) => [at % 2, at % 3 === 0 ? 1 : 0]);
  const items = itemsOf(shown, (at) => Math.floor(at / 4));
  const folds = [1, 2, 3].map((fold) => {
    return heldOutOf(items, { fraction: 1 / 3, seed: 0, folds: 3, fold }, ["a", "b"]).validation;
  });
  assert.deepEqual(
    folds.flatMap((fold) => [...fold]).sort((a, b) => a - b),
    [...shown.keys()],
  );
  for (const fold of folds) {
    assert.equal(fold.length, 20);
    for (let group = 0; group < 15; group++) {
      const inside = [...fold].filter((at) => Math.floor(at / 4) === group).length;
      assert.ok(inside === 0 || inside === 4, `${inside} of group ${group}`);
    }
  }
});
