/** Items into parts: each class by its share, no group in two parts, and single items as they always were. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { assigned } from "../../../src/data/sampling/assignment.js";
import { joinedGroups } from "../../../src/data/sampling/groups.js";
import { stratifiedFolds } from "../../../src/data/sampling/stratified-folds.js";
import { stratifiedSplit } from "../../../src/data/sampling/stratified-split.js";
import { seedFor } from "../../../src/tensor/random.js";
import { inputError } from "../../support/input-error.js";
import { repositoryRoot } from "../../support/oracle.js";

interface Item {
  readonly label: number;
  readonly group: number;
}

function itemsOf(list: readonly Item[]) {
  return {
    count: list.length,
    label: (index: number) => list[index]?.label ?? 0,
    name: (index: number) => `item ${index}`,
    group: (index: number) => list[index]?.group,
  };
}

const lists = fc.array(fc.record({ label: fc.nat(3), group: fc.nat(40) }), { minLength: 1, maxLength: 120 });

/** What knack did before there were groups: of each class the items with the smallest keys. */
function asBefore(list: readonly Item[], fraction: number, seed: number): number[] {
  const keyed = list.map(({ label }, index) => ({ label, index, key: seedFor(seed, "split", `item ${index}`) }));
  return [0, 1, 2, 3]
    .flatMap((label) => {
      const same = keyed.filter((each) => each.label === label).sort((a, b) => a.key - b.key || a.index - b.index);
      const held = Math.min(same.length - 1, Math.max(1, Math.round(fraction * same.length)));
      return same.slice(0, Math.max(0, held)).map(({ index }) => index);
    })
    .sort((a, b) => a - b);
}

test("without groups, or with groups of one, it is what it always was", () => {
  const property = (list: readonly Item[], fraction: number, seed: number) => {
    const expected = asBefore(list, fraction, seed);
    const { group: _, ...single } = itemsOf(list);
    assert.deepEqual([...stratifiedSplit(single, fraction, seed).validation], expected);
    const ones = { ...single, group: (index: number) => index };
    assert.deepEqual([...stratifiedSplit(ones, fraction, seed).validation], expected);
  };
  fc.assert(fc.property(lists, fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.nat(5), property));
});

test("no group is in two parts, every item in one; classes of several groups are in both", () => {
  const property = (list: readonly Item[], fraction: number, seed: number) => {
    const items = itemsOf(list);
    const { train, validation } = stratifiedSplit(items, fraction, seed);
    assert.deepEqual(
      [...train, ...validation].sort((a, b) => a - b),
      [...list.keys()],
    );
    const groups = (part: Uint32Array) => new Set(Array.from(part, (index) => list[index]?.group));
    assert.ok([...groups(train)].every((group) => !groups(validation).has(group)));
    // Where groups do not span classes, nothing but their number can keep a class out of a part.
    const pure = list.map(({ label, group }) => ({ label, group: 4 * group + label }));
    const parts = stratifiedSplit(itemsOf(pure), fraction, seed);
    for (const label of new Set(pure.map((item) => item.label))) {
      const several = new Set(pure.filter((item) => item.label === label).map(({ group }) => group)).size > 1;
      const held = parts.validation.filter((index) => pure[index]?.label === label).length;
      const kept = parts.train.filter((index) => pure[index]?.label === label).length;
      assert.ok(kept > 0 && held > 0 === several, `class ${label}: ${kept} and ${held}`);
    }
  };
  fc.assert(fc.property(lists, fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.nat(5), property));
});

test("shares are kept as near as groups allow: within half of the largest group of each class", () => {
  const list = Array.from({ length: 600 }, (_, index) => ({ label: index % 3, group: Math.floor(index / 3) % 67 }));
  const pure = list.map(({ label, group }) => ({ label, group: 3 * group + label }));
  const { validation } = stratifiedSplit(itemsOf(pure), 0.2, 0);
  for (const label of [0, 1, 2]) {
    const held = validation.filter((index) => pure[index]?.label === label).length;
    assert.ok(Math.abs(held - 40) <= 2, `${held} of 200`);
  }
});

test("a few groups move few others", () => {
  const single = { ...itemsOf(Array.from({ length: 500 }, () => ({ label: 0, group: 0 }))), group: undefined };
  const before = new Set(stratifiedSplit(single, 0.2, 0).validation);
  const pairs = { ...single, group: (index: number) => (index < 20 ? index >> 1 : undefined) };
  const after = stratifiedSplit(pairs, 0.2, 0).validation;
  assert.equal(after.length, 100);
  assert.ok(after.filter((index) => !before.has(index)).length <= 12);
});

test("what is together in one way or another is together", () => {
  const pairs = joinedGroups(6, [
    (index) => (index < 4 ? index >> 1 : undefined),
    (index) => ([1, 2].includes(index) ? "x" : undefined),
  ]);
  assert.equal(new Set([0, 1, 2, 3].map(pairs)).size, 1);
  assert.equal(new Set([3, 4, 5].map(pairs)).size, 3);
});

test("as many items as a large data set has take seconds", () => {
  const items = {
    ...itemsOf([]),
    count: 200_000,
    label: (index: number) => index % 1000,
    group: (index: number) => index >> 1,
  };
  const parts = assigned(items, ({ items: count }) => [count - 40, 40], 0);
  assert.equal(
    parts.reduce((sum, part) => sum + part, 0),
    40_000,
  );
});

interface KnownSet {
  readonly name: string;
  readonly folds: number;
  /** Each a text of its items' classes. */
  readonly groups: readonly string[];
  /** What scikit-learn's StratifiedGroupKFold comes to: as it is, and shuffled by five seeds. */
  readonly spreads: readonly number[];
}

test("folds are as well balanced as scikit-learn's, and no group is in two", () => {
  const file = join(repositoryRoot, "test/data/sampling/stratified-groups.json");
  const { sets } = JSON.parse(readFileSync(file, "utf8")) as { sets: KnownSet[] };
  for (const { name, folds, groups, spreads } of sets) {
    const list = groups.flatMap((text, group) => Array.from(text, (label) => ({ label: Number(label), group })));
    const foldOf = stratifiedFolds(itemsOf(list), folds, 0, ["a", "b", "c", "d"]);
    const labels = [...new Set(list.map(({ label }) => label))];
    const shares = labels.map((label) => {
      const count = (fold: number) => list.filter((item, i) => item.label === label && foldOf[i] === fold).length;
      const all = list.filter((item) => item.label === label).length;
      return Array.from({ length: folds }, (_, i) => count(i + 1) / all);
    });
    const deviation = (values: readonly number[]) =>
      Math.sqrt(values.reduce((sum, value) => sum + (value - 1 / folds) ** 2, 0) / folds);
    const spread = shares.map(deviation).reduce((sum, value) => sum + value, 0) / labels.length;
    const usual = spreads.toSorted((a, b) => a - b)[spreads.length >> 1] as number;
    assert.ok(spread <= usual + 0.001, `${name}: ${spread}, scikit-learn's ${spreads}`);
    const apart = new Map<number, number>();
    for (const [index, { group }] of list.entries()) {
      assert.equal(apart.get(group) ?? foldOf[index], foldOf[index], name);
      apart.set(group, foldOf[index] as number);
    }
  }
});

test("single items: folds, and each class in them, differ by one at most; another seed gives others", () => {
  const list = Array.from({ length: 103 }, (_, index) => ({ label: index % 7 === 0 ? 1 : 0, group: index }));
  const folds = stratifiedFolds(itemsOf(list), 5, 0, ["a", "b"]);
  const counts = (of: (index: number) => boolean) =>
    [1, 2, 3, 4, 5].map((fold) => list.filter((_, index) => folds[index] === fold && of(index)).length);
  assert.deepEqual(counts(() => true).sort(), [20, 20, 21, 21, 21]);
  assert.deepEqual(
    counts((index) => list[index]?.label === 1),
    [3, 3, 3, 3, 3],
  );
  assert.notDeepEqual(stratifiedFolds(itemsOf(list), 5, 1, ["a", "b"]), folds);
  assert.throws(
    () => stratifiedFolds(itemsOf(list), 16, 0, ["a", "b"]),
    inputError(/--folds: the class "b" has 15 pictures, and 16 folds need as many: take --folds 15, or leave/),
  );
  const paired = list.map(({ label }, index) => ({ label, group: label === 1 ? 1000 + (index >> 5) : index }));
  assert.throws(
    () => stratifiedFolds(itemsOf(paired), 5, 0, ["a", "b"]),
    inputError(/the class "b" has 4 groups of pictures \(15\), and 5 folds need as many: take --folds 4/),
  );
});
