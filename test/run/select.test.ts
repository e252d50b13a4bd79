/** What decides on a run's best epoch: by which metric, of equal ones which, and what cannot decide. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { metricNamed } from "../../src/metrics/index.js";
import { betterBy } from "../../src/metrics/metric.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { evaluateCheckpoint } from "../../src/run/evaluate-checkpoint.js";
import { inputError } from "../support/input-error.js";
import { four, ofType, relabelled, scratchFolder, session, tiny } from "../support/tiny-training.js";

const at = scratchFolder("select");

/** The validation images, all labelled with one class. */
function labelledAs(label: number, data = four) {
  const { validation } = data;
  return { ...data, validation: { ...validation, labels: validation.labels.map(() => label) } };
}

for (const select of ["top-1", "macro-f1", "loss", "quadratic-kappa"]) {
  test(`the best epoch, its weights and figures are those of the best ${select}`, async () => {
    const out = at(select);
    const events = await session({ data: four, recipe: tiny({ epochs: 5, lr: 0.02, select }), out });
    const epochs = ofType(events, "epoch");
    const value = (index: number) => epochs[index]?.metrics[select] ?? Number.NaN;
    let best = 0;
    for (const [index, epoch] of epochs.entries()) {
      const better = betterBy(metricNamed(select), value(index), value(best));
      if (better >= 0) best = index;
      assert.equal(epoch.best, better >= 0, `epoch ${epoch.epoch}`);
    }
    const [done] = ofType(events, "done");
    assert.deepEqual(done?.best, { epoch: best + 1, value: value(best) });
    assert.deepEqual(done?.metrics, epochs.at(-1)?.metrics);
    const { metrics } = await evaluateCheckpoint(out, [four.validation]);
    assert.equal(metrics[select], value(best));
    const saved = JSON.parse(readFileSync(join(out, "recipe.json"), "utf8"));
    assert.deepEqual([ofType(events, "audit")[0]?.select, saved.select], [select, select]);
  });
}

test("of equal epochs the later is the best, which its event says; early stop counts from the first of them", async () => {
  // No image of the fifth class is trained on: soon none is taken for it.
  const five = relabelled(5, (label) => label % 4);
  const data = labelledAs(4, five);
  const recipe = tiny({ epochs: 9, earlyStop: { patience: 3 } });
  const stopped = await session({ data, recipe, out: at("ties") }, 6);
  const events = [...stopped, ...(await session({ resume: at("ties"), data }))];
  const epochs = ofType(events, "epoch").filter(
    ({ epoch }, index, all) => all.findLast((e) => e.epoch === epoch) === all[index],
  );
  assert.deepEqual(
    epochs.map(({ top1, best, tiedWith }) => [top1, best, tiedWith]),
    [
      [0, true, undefined],
      [0, true, 1],
      [0, true, 2],
      [0, true, 3],
    ],
  );
  const [done] = ofType(events, "done");
  assert.deepEqual([done?.epoch, done?.best], [4, { epoch: 4, value: 0 }]);
});

test("what has no value for the validation images, or says nothing, is refused before anything is trained", async () => {
  for (const [select, data, message] of [
    ["auroc", labelledAs(1), /--select.*auroc .*all images are of one class; there are top-1, .*macro-f1/],
    ["kappa", labelledAs(1), /kappa .*one class/],
    ["top-5", four, /top-5 .*nothing where there are 4 classes/],
  ] as const) {
    const out = at(`refused ${select}`);
    await assert.rejects(session({ data, recipe: tiny({ select }), out }), inputError(message));
    assert.ok(!existsSync(out));
  }
  const refused = inputError(/select: must be top-1, top-5, loss, .* ece, .* or exact-match, not "f1"/);
  assert.throws(() => parseRecipe({ select: "f1" }, "a recipe"), refused);
});

test("a run that was begun before there was a choice goes on by top-1", async () => {
  const out = at("earlier");
  await session({ data: four, recipe: tiny({ epochs: 2 }), out }, 6);
  const file = join(out, "recipe.json");
  const { select: _, ...earlier } = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify(earlier));
  const events = await session({ resume: out, data: four });
  assert.equal(ofType(events, "changed").length, 0);
  assert.equal(ofType(events, "audit")[0]?.select, "top-1");
});
