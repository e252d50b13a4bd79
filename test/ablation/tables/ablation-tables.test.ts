/** Which rows the tables have: what each changes, what it is compared with, and what is said where a row would change nothing. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { atEpochs } from "../../../src/recipe/at-epochs.js";
import type { AblationTable, Row, TableRequest } from "../../../src/ablation/tables/table.js";
import { buildTable, defaultBase } from "../../../src/ablation/tables/tables.js";
import type { Recipe } from "../../../src/recipe/recipe.js";
import { inputError } from "../../support/input-error.js";

const folder = mkdtempSync(join(tmpdir(), "knack-tables-"));
after(() => rmSync(folder, { recursive: true }));

function tableOf(name: string, changes: Partial<Recipe> = {}, request: Partial<TableRequest> = {}) {
  const base = { ...atEpochs(defaultBase(name), changes.epochs ?? 12), ...changes };
  return buildTable(name, { base, without: new Set(), teacherModel: undefined, equalEpochs: false, ...request });
}

/** [name, what it is compared with, the keys that differ from that row's recipe] */
function differences({ rows }: AblationTable) {
  return rows.map(({ name, against, recipe }) => {
    const other = rows.find((row) => row.name === against)?.recipe;
    const keys = Object.keys(recipe) as (keyof Recipe)[];
    const changed = keys.filter((key) => other && JSON.stringify(other[key]) !== JSON.stringify(recipe[key]));
    return [name, against, changed.filter((key) => key !== "name").join(" ")];
  });
}

const recipesOf = ({ rows }: AblationTable) => rows.map(({ recipe }: Row) => recipe);

test("efficient: the paper's five rows at a small batch and at four times as much", async () => {
  const table = await tableOf("efficient", { batchSize: 64, lr: 0.05 });
  assert.deepEqual(differences(table), [
    ["batch 64: baseline", undefined, ""],
    ["batch 64: + warmup", "batch 64: baseline", "warmup"],
    ["batch 64: + zero gamma", "batch 64: + warmup", "zeroGamma"],
    ["batch 64: + no bias decay", "batch 64: + zero gamma", "noBiasDecay"],
    ["batch 64: + low precision", "batch 64: + no bias decay", "precision"],
    ["batch 256: linear scaling", "batch 64: baseline", "batchSize linearScaling"],
    ["batch 256: + warmup", "batch 256: linear scaling", "warmup"],
    ["batch 256: + zero gamma", "batch 256: + warmup", "zeroGamma"],
    ["batch 256: + no bias decay", "batch 256: + zero gamma", "noBiasDecay"],
    ["batch 256: + low precision", "batch 256: + no bias decay", "precision"],
  ]);
  const [small, warm] = recipesOf(table);
  assert.deepEqual(warm?.warmup, { epochs: 0.5 }, "5 of 120 epochs");
  assert.deepEqual(small?.schedule, { type: "step", milestones: [3, 6, 9], factor: 0.1 });
  assert.deepEqual(table.rows[5]?.recipe.linearScaling, { referenceBatch: 64 });
  assert.match(table.notes.join(), /64 .*256; the paper's are 256 and 1024/);
  assert.ok(
    table.rows.every(({ paper }) => paper?.read === false),
    "Table 4 is recalled only",
  );
});

test("efficient: a base recipe that scales its rate keeps the scaled one", async () => {
  const { rows } = await tableOf("efficient", { batchSize: 64, lr: 0.4, linearScaling: { referenceBatch: 256 } });
  assert.equal(rows[0]?.recipe.lr, 0.1);
});

test("tricks that would change nothing, or are switched off, have no row", async () => {
  const mobile = await tableOf("efficient", { model: "mobilenetv1_025", weightDecay: 0 });
  assert.deepEqual(
    mobile.rows.map(({ name }) => name.replace(/batch \d+: /, "")),
    ["baseline", "+ warmup", "+ low precision", "linear scaling", "+ warmup", "+ low precision"],
  );
  assert.match(mobile.notes.join("\n"), /no row for .*zero gamma: mobilenetv1_025 has no residual block/);
  assert.match(mobile.notes.join("\n"), /no row for .*no bias decay: the weight decay is 0/);
  const without = new Set(["warmup", "low-precision"]);
  assert.equal((await tableOf("efficient", {}, { without })).rows.length, 6);
});

test("tweaks: v1, B, C and D of the depth, and of 18 and 34 v1 and B as one", async () => {
  const fifty = await tableOf("tweaks", { batchSize: 128 });
  assert.deepEqual(
    recipesOf(fifty).map(({ model }) => model),
    ["resnet50_v1", "resnet50", "resnet50c", "resnet50d"],
  );
  assert.deepEqual(
    fifty.rows.map(({ against }) => against),
    [undefined, "ResNet-50 (v1)", "ResNet-50-B", "ResNet-50-C"],
  );
  assert.deepEqual(
    fifty.rows.map(({ paper }) => paper?.read),
    [false, false, false, true],
  );
  const small = await tableOf("tweaks", { model: "resnet18d_small", batchSize: 128 });
  assert.deepEqual(
    recipesOf(small).map(({ model }) => model),
    ["resnet18_v1_small", "resnet18c_small", "resnet18d_small"],
  );
  assert.match(small.notes.join(), /ResNet-18 .*v1 and B are the same network/);
  await assert.rejects(tableOf("tweaks", { model: "resnet20" }), inputError(/the model is resnet20; give --model/));
});

test("a batch at which linear scaling has factor 1 leaves it out, and says so", async () => {
  const table = await tableOf("tweaks", { batchSize: 256 });
  assert.ok(recipesOf(table).every(({ linearScaling }) => linearScaling === false));
  assert.match(table.notes.join(), /without linear scaling: at a batch of 256 its factor is 1/);
});

test("refinements: each adds one, distillation and mixup apart and together; mixup trains 5/3 as long", async () => {
  const table = await tableOf("refinements", { batchSize: 128 });
  assert.deepEqual(differences(table), [
    ["efficient", undefined, ""],
    ["+ cosine", "efficient", "schedule"],
    ["+ label smoothing", "+ cosine", "labelSmoothing"],
    ["+ distillation, no mixup", "+ label smoothing", "distillation"],
    ["+ mixup, no distillation", "+ label smoothing", "epochs mixup"],
    ["+ mixup and distillation", "+ mixup, no distillation", "distillation"],
  ]);
  assert.deepEqual(
    recipesOf(table).map(({ epochs }) => epochs),
    [12, 12, 12, 12, 20, 20],
  );
  assert.deepEqual(recipesOf(table)[4]?.warmup, { epochs: 0.5 }, "the warmup stays");
  assert.equal(table.teacher?.model, "resnet101d");
  assert.equal(table.teacher?.labelSmoothing, false);
  assert.match(table.notes.join("\n"), /teacher is trained first, once.*resnet101d by the base recipe/);
  const equal = await tableOf("refinements", {}, { equalEpochs: true, teacherModel: "resnet18" });
  assert.ok(recipesOf(equal).every(({ epochs }) => epochs === 12));
  assert.equal(equal.teacher?.model, "resnet18");
});

test("refinements: a teacher that is given is not trained", async () => {
  const distillation = { teacher: "t", temperature: 4, loss: "kl", hardWeight: 1, softWeight: 1 } as const;
  const table = await tableOf("refinements", { distillation });
  assert.equal(table.teacher, undefined);
  assert.deepEqual(recipesOf(table)[3]?.distillation, distillation);
  const without = new Set(["distillation", "mixup"] as const);
  const short = await tableOf("refinements", {}, { without });
  assert.deepEqual(
    short.rows.map(({ name }) => name),
    ["efficient", "+ cosine", "+ label smoothing"],
  );
  assert.equal(short.teacher, undefined);
});

test("leave-one-out: the bag without each of its tricks", async () => {
  const table = await tableOf("leave-one-out");
  assert.deepEqual(
    differences(table).map(([name, , changed]) => [name, changed]),
    [
      ["bag-of-tricks", ""],
      ["- linear scaling", "linearScaling"],
      ["- warmup", "warmup"],
      ["- zero gamma", "zeroGamma"],
      ["- no bias decay", "noBiasDecay"],
      ["- low precision", "precision"],
      ["- model tweaks", "model"],
      ["- cosine", "schedule"],
      ["- label smoothing", "labelSmoothing"],
      ["- distillation", "distillation"],
      ["- mixup", "mixup"],
    ],
  );
  assert.ok(table.rows.slice(1).every(({ against }) => against === "bag-of-tricks"));
  assert.deepEqual(recipesOf(table)[7]?.schedule, { type: "step", milestones: [3, 6, 9], factor: 0.1 });
  await assert.rejects(
    buildTable("leave-one-out", { ...request(), base: defaultBase("only-one") }),
    inputError(/no trick/),
  );
});

test("only-one: each trick alone", async () => {
  const table = await tableOf("only-one", { batchSize: 1024, model: "resnet34d" });
  assert.deepEqual(
    differences(table).map(([name, , changed]) => [name, changed]),
    [
      ["no tricks", ""],
      ["linear scaling only", "linearScaling"],
      ["warmup only", "warmup"],
      ["zero gamma only", "zeroGamma"],
      ["no bias decay only", "noBiasDecay"],
      ["low precision only", "precision"],
      ["model tweaks only", "model"],
      ["cosine only", "schedule"],
      ["label smoothing only", "labelSmoothing"],
      ["distillation only", "distillation"],
      ["mixup only", "mixup"],
    ],
  );
  assert.equal(recipesOf(table)[0]?.model, "resnet34_v1");
  assert.match(
    (await tableOf("only-one")).notes.join(),
    /no row for linear scaling/,
    "the default batch is the reference",
  );
});

test("a grid file's rows lie over the base recipe", async () => {
  const rows = [
    { row: "64", recipe: {} },
    { row: "slow", recipe: { lr: 0.001 } },
    { row: "smooth", recipe: { labelSmoothing: {} } },
  ];
  const first = await tableOf(grid({ rows }), { batchSize: 64 });
  assert.deepEqual(differences(first), [
    ["64", undefined, ""],
    ["slow", "64", "lr"],
    ["smooth", "64", "labelSmoothing"],
  ]);
  assert.ok(recipesOf(first).every(({ batchSize }) => batchSize === 64));
  const above = await tableOf(grid({ compare: "above", rows }));
  assert.equal(above.rows[2]?.against, "slow");
  const typescript = join(folder, "grid.ts");
  writeFileSync(
    typescript,
    `const lr: number = 1;\nexport default { rows: [{ row: "a", recipe: {} }, { row: "b", recipe: { lr } }] };`,
  );
  assert.equal((await tableOf(typescript)).rows[1]?.recipe.lr, 1);
});

test("what is wrong in a grid file is named in one line", async () => {
  const refused = (content: unknown, message: RegExp) => assert.rejects(tableOf(grid(content)), inputError(message));
  const row = (name: string, recipe: object) => ({ row: name, recipe });
  await refused([], /grid\.json: a grid is an object with rows/);
  await refused({ rows: [{ row: "a" }] }, /grid\.json: rows\.0\.recipe/);
  await refused({ rows: [], compare: "below" }, /compare/);
  await refused({ rows: [row("a", {})] }, /at least two rows/);
  await refused({ rows: [row("a", {}), row("a", { lr: 1 })] }, /two rows are called "a"/);
  await refused({ rows: [row("a", {}), row("b", { lr: 0.1 })] }, /row "b" changes nothing: it is the recipe of "a"/);
  await refused({ rows: [row("a", {}), row("b", { lr: -1 })] }, /row "b": lr: must be a number above 0/);
  await refused({ rows: [row("a", {}), row("b", { mixpu: {} })] }, /row "b": .*did you mean "mixup"/);
  await refused({ rows: [row("a", {}), row("b", { seed: 3 })] }, /row "b": seed: all rows have the same seeds/);
  await refused({ rows: [row("a", { extends: "efficient" })] }, /row "a": extends/);
});

test("a table that does not exist", () => {
  assert.throws(() => defaultBase("tweeks"), inputError(/no table "tweeks"; did you mean "tweaks"/));
  assert.throws(() => defaultBase("none.json"), inputError(/there is no file none\.json/));
});

function request(): Omit<TableRequest, "base"> {
  return { without: new Set(), teacherModel: undefined, equalEpochs: false };
}

function grid(content: unknown): string {
  const file = join(folder, "grid.json");
  writeFileSync(file, JSON.stringify(content));
  return file;
}
