/** A person's own trick: checked, audited, saved, resumed, a row of an ablation, and missed where its file is gone. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TrainEvent } from "../../src/index.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { loadRecipe } from "../../src/recipe/load-recipe.js";
import type { Recipe } from "../../src/recipe/recipe.js";
import { noGradient } from "../../src/tensor/autograd.js";
import * as ops from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { Trainer } from "../../src/training/trainer.js";
import { momentsOf } from "../../src/tricks/running-tricks.js";
import { type Moments, type Run, touched, trick } from "../../src/tricks/trick.js";
import { defineTrick, loadOwnTricks } from "../../src/tricks/own-trick.js";
import { inputError } from "../support/input-error.js";
import { repositoryRoot } from "../support/oracle.js";
import { batchOf } from "../support/random-data.js";
import { BATCH, disposing, four, left, ofType, scratchFolder, session, TINY, tiny } from "../support/tiny-training.js";
import { writeTinyData } from "../support/tiny-data.js";

const at = scratchFolder("own-trick");
const EXAMPLE = join(repositoryRoot, "examples/own-trick.ts");

/** A trick with state: pulls the weights back to where they were at first, and counts its steps. */
const ANCHOR = `
import { defineTrick, ops, settings } from "knack";

export const anchor = defineTrick({
  name: "anchor",
  module: import.meta.url,
  settings: { strength: settings.aboveZero, counting: settings.flag },
  defaults: { strength: 0.5, counting: true },
  start: ({ strength, counting }, run) => {
    let steps: ReturnType<typeof ops.full> | undefined;
    return {
      built: () => { steps = ops.full([1], 0).keep(); },
      stepped: () => { if (counting && steps) ops.addInPlace(steps, ops.full([1], 1)); },
      batch: ({ images, targets }) => ({ images: ops.mulScalar(images, 1 + strength * (steps?.item() ?? 0)), targets }),
      kept: () => new Map(steps ? [["steps", steps]] : []),
      touched: () => ({ asked: true, count: run.recipe.batchSize, detail: \`strength \${strength}\` }),
      dispose: () => steps?.dispose(),
    };
  },
});
export default { ...${JSON.stringify(TINY)}, tricks: [anchor({ strength: 0.1 })] };
`;

function writeAnchor(name: string): string {
  const file = at(name);
  writeFileSync(file, ANCHOR);
  return file;
}

test("a recipe names it by its file, its settings complete; wrong ones are refused with its name and theirs", async () => {
  const file = writeAnchor("named.ts");
  const recipe = await loadRecipe(file);
  assert.deepEqual(recipe.tricks, [{ name: "anchor", module: file, settings: { strength: 0.1, counting: true } }]);
  const wrong = (settings: object) => loadOwnTricks([{ name: "anchor", module: file, settings: { ...settings } }]);
  await assert.rejects(
    wrong({ strength: 0 }),
    inputError(/^tricks: anchor: strength: must be a number above 0, not 0$/),
  );
  await assert.rejects(
    wrong({ strenght: 1 }),
    inputError(/^tricks: anchor: unknown key "strenght"; did you mean "strength"\?$/),
  );
  writeFileSync(at("wrong.ts"), ANCHOR.replace("strength: 0.1", 'strength: "much"'));
  await assert.rejects(loadRecipe(at("wrong.ts")), inputError(/wrong.ts: cannot be loaded: anchor: strength: must be/));
  assert.throws(
    () => parseRecipe({ tricks: [{ name: "x" }] }, "my.json"),
    inputError(/my.json: tricks.0.module: must be a name/),
  );
  assert.throws(
    () => parseRecipe({ tricks: {} }, "my.json"),
    inputError(/my.json: tricks: must be a list of tricks, not {}/),
  );
  assert.throws(
    () =>
      defineTrick({
        name: "x",
        module: "x.ts",
        settings: {},
        defaults: {},
        start: () => ({ touched: () => undefined }),
      }),
    inputError(/import.meta.url/),
  );
});

test("a JSON recipe finds it beside itself", async () => {
  writeAnchor("beside.ts");
  writeFileSync(at("beside.json"), '{ "tricks": [{ "name": "anchor", "module": "./beside.ts", "settings": {} }] }');
  const { tricks } = await loadRecipe(at("beside.json"));
  assert.equal(tricks[0]?.module, at("beside.ts"));
  assert.equal((await loadOwnTricks(tricks)).length, 1);
});

test("where its file is gone or exports no such trick, that is said", async () => {
  const named = (module: string, name = "anchor") => loadOwnTricks([{ name, module, settings: {} }]);
  await assert.rejects(
    named(at("gone.ts")),
    inputError(/^tricks: the file of the trick "anchor" is gone: .*gone.ts; put it back/),
  );
  const twice = { name: "anchor", module: writeAnchor("twice.ts"), settings: {} };
  await assert.rejects(loadOwnTricks([twice, twice]), inputError(/^tricks: there are two tricks called "anchor"/));
  await assert.rejects(named(at("twice.ts"), "warmup"), inputError(/two tricks called "warmup"/));
  await assert.rejects(named(writeAnchor("other.ts"), "ankor"), inputError(/other.ts exports no trick "ankor"/));
});

test("a run is audited, saved with it, and resumed to the same bits, its own tensors too", async () => {
  const file = writeAnchor("run.ts");
  const recipe = await loadRecipe(file);
  const whole = await session({ data: four, recipe, out: at("whole") });
  const audit = ofType(whole, "audit")[0];
  assert.deepEqual(audit?.tricks.at(-1), { trick: "anchor", asked: true, touched: BATCH, detail: "strength 0.1" });
  const saved = JSON.parse(readFileSync(at("whole/recipe.json"), "utf8")) as Recipe;
  assert.deepEqual(saved.tricks, recipe.tricks);

  await session({ data: four, recipe, out: at("stopped") }, 6);
  await session({ data: four, resume: at("stopped") });
  assert.deepEqual(left(at("stopped")), left(at("whole")));
  assert.ok(left(at("whole")).state.has("tricks.anchor.steps"));

  await session({ data: four, recipe, out: at("moved") }, 6);
  renameSync(file, at("elsewhere.ts"));
  await assert.rejects(session({ data: four, resume: at("moved") }), inputError(/"anchor" is gone/));
});

test("one that touches nothing is refused as knack's own are", async () => {
  const file = at("idle.ts");
  writeFileSync(file, ANCHOR.replace("count: run.recipe.batchSize", "count: 0"));
  const recipe = await loadRecipe(file);
  await assert.rejects(
    session({ data: four, recipe, out: at("idle") }),
    inputError(/^anchor was asked for and changed nothing: strength 0.1$/),
  );
  assert.ok(!existsSync(at("idle")));
});

test("the example's loss is the paper's: cross-entropy less strength times the entropy", async () => {
  const strength = 0.2;
  const ownTricks = await loadOwnTricks([{ name: "confidence-penalty", module: EXAMPLE, settings: { strength } }]);
  using trainer = disposing(new Trainer(tiny(), four, { device: "cpu", ownTricks }));
  const batch = batchOf(four, BATCH, 0);
  using twin = disposing(new Trainer(tiny(), four, { device: "cpu" }));
  const entropy = scope(() =>
    noGradient(() => {
      using sent = twin.send(batch);
      const { images } = sent.prepare();
      const rows = twin.model.forward(images);
      const k = rows.shape[1] as number;
      const values = rows.toArray();
      let sum = 0;
      for (let row = 0; row < BATCH; row++) {
        const logits = values.slice(row * k, (row + 1) * k);
        const total = logits.reduce((all, z) => all + Math.exp(z), 0);
        for (const z of logits) sum -= (Math.exp(z) / total) * Math.log(Math.exp(z) / total);
      }
      return sum / BATCH;
    }),
  );
  const { loss, labelLoss } = trainer.step(batch, 0);
  assert.ok(Math.abs(loss - (labelLoss - strength * entropy)) < 1e-5, `${loss}, ${labelLoss}, ${entropy}`);
});

const knack = (...args: string[]) =>
  spawnSync(process.execPath, [join(repositoryRoot, "bin/knack.js"), ...args], { encoding: "utf8", cwd: at(".") });

test("the command line: trained by the example's recipe, a row of an ablation's table, seen in the preview", () => {
  copyFileSync(EXAMPLE, at("own-trick.ts"));
  copyFileSync(join(repositoryRoot, "examples/own-trick-table.ts"), at("own-trick-table.ts"));
  const data = writeTinyData(at("bars"), { train: 64, validation: 16, classes: 4 });
  const small = ["--option", "width=4", "--batch-size", "16", "--epochs", "1", "--workers", "0"];
  const trained = knack("train", data, "--recipe", "own-trick.ts", ...small, "--out", "trained", "--json");
  assert.equal(trained.status, 0, trained.stderr);
  const events = trained.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as TrainEvent);
  const [audit] = ofType(events, "audit");
  const line = audit?.tricks.find(({ trick }) => trick === "confidence-penalty");
  assert.match(line?.detail ?? "", /loss - 0.2 x the entropy/);

  const ablated = knack(
    "ablate",
    data,
    "--recipe",
    "own-trick.ts",
    "--table",
    "own-trick-table.ts",
    ...small,
    "--seeds",
    "1",
    "--out",
    "ablated",
  );
  assert.equal(ablated.status, 0, ablated.stderr);
  assert.match(ablated.stdout, /without[\s\S]*\+ confidence penalty 0\.1[\s\S]*\+ confidence penalty 0\.3/);

  writeFileSync(at("anchored.ts"), ANCHOR);
  const preview = knack("data", "preview", data, "--recipe", "anchored.ts", "--out", "preview.png");
  assert.deepEqual([preview.status, preview.stderr], [0, ""]);
});

test("what a programmer gets wrong is said with the trick's name: reading the run too early, state that is another one each time", () => {
  const toy = (start: (run: Run) => Moments) =>
    trick({
      ...{ name: "toy", summary: "", group: "tricks", switches: [], shape: {}, off: {}, paper: {} },
      start: (_, run) => start(run),
    });
  const tooEarly = toy(({ train }) => ({ touched: () => touched(train.count, "") }));
  assert.throws(
    () => momentsOf(tooEarly, tiny()),
    /the trick toy: run.train is not there yet .* read it inside of a moment/,
  );

  const forgetful = toy(() => ({ kept: () => new Map([["n", ops.full([1], 0)]]), touched: () => touched(1, "") }));
  using trainer = disposing(new Trainer(tiny(), four, { device: "cpu", ownTricks: [forgetful] }));
  scope(() => {
    assert.throws(() => trainer.trainingState(), /toy.n: `kept` must give the same tensor each time/);
  });
});
