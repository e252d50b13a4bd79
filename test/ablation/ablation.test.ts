/**
 * Ablations from beginning to end, by the command as people start it: a planted effect is found and a planted nothing is not, rows
 * are paired by seed, and what was killed goes on. Models and images are tiny.
 */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TableDocument } from "../../src/ablation/output/table-document.js";
import type { RowSummary } from "../../src/ablation/output/summary.js";
import { epochOrder } from "../../src/data/sampling/epoch-order.js";
import { openData } from "../../src/data/sources/open.js";
import type { Split } from "../../src/data/split.js";
import type { TrainEvent } from "../../src/run/events.js";
import { FolderLock } from "../../src/run/run-lock.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { Trainer } from "../../src/training/trainer.js";
import { trainingData } from "../../src/run/training-data.js";
import { assertOneLine, commandLines, type Ended, startKnack } from "../support/command.js";
import { writeTinyData } from "../support/tiny-data.js";

// Of every child: threads that wait for each other on busy cores are far slower than one.
process.env.OMP_NUM_THREADS = "1";

const scratch = mkdtempSync(join(tmpdir(), "knack-ablation-"));
const at = (...path: string[]) => join(scratch, ...path);
after(() => rmSync(scratch, { recursive: true, force: true }));

const SMALL = "--model resnet18_small --option width=8 --batch-size 32 --lr 0.05 --crop 0 --no-flip".split(" ");

/** Ends the process by a signal, once, as soon as it has come so far. */
interface Killed {
  readonly when: (stdout: string) => boolean;
  readonly signal: NodeJS.Signals;
}

async function ablate(args: readonly string[], killed?: Killed): Promise<Ended> {
  const { child, ended } = startKnack(["ablate", ...args], { cwd: scratch });
  let stdout = "";
  child.stdout?.on("data", (text) => {
    stdout += text;
  });
  const watch = setInterval(() => {
    if (!killed?.when(stdout)) return;
    child.kill(killed.signal);
    clearInterval(watch);
  }, 5);
  const result = await ended;
  clearInterval(watch);
  return result;
}

const printed = (text: string) => (stdout: string) => stdout.includes(text);

function tableIn(folder: string): TableDocument {
  return JSON.parse(readFileSync(at(folder, "table.json"), "utf8"));
}

function rowOf(folder: string, name: string): RowSummary {
  const row = tableIn(folder).rows.find((each) => each.row === name);
  assert.ok(row, `${folder} has no row ${name}`);
  return row;
}

/** Everything but times. */
function figuresOf(folder: string) {
  const { rows, ...document } = tableIn(folder);
  return { ...document, rows: rows.map((row) => ({ ...row, imagesPerSecond: 0, seconds: 0 })) };
}

function writeGrid(name: string, recipes: Record<string, object>, compare = "first"): string {
  const rows = Object.entries(recipes).map(([row, recipe]) => ({ row, recipe }));
  writeFileSync(at(name), JSON.stringify({ compare, rows }));
  return name;
}

before(() => {
  writeTinyData(at("data"), { train: 256, validation: 100 });
  writeGrid("planted.json", { base: {}, crippled: { lr: 1e-6 }, nothing: { weightDecay: 1.1e-4 } });
});

const PLANTED = ["data", "--table", "planted.json", "--epochs", "4", "--out", "planted", ...SMALL];

describe("a planted effect and a planted nothing", () => {
  let ended: Ended;
  before(async () => {
    ended = await ablate(PLANTED);
  });

  test("the crippled row hurts, the one without an effect is unclear", () => {
    assert.equal(ended.stderr, "");
    assert.equal(ended.code, 0);
    const crippled = rowOf("planted", "crippled");
    assert.equal(crippled.verdict, "hurts");
    assert.ok((crippled.delta?.ci95?.[1] ?? 1) < 0, "the whole interval is below 0");
    assert.ok((crippled.delta?.mean ?? 0) < -0.5);
    assert.equal(rowOf("planted", "nothing").verdict, "unclear");
  });

  test("the figures are those of the runs, paired by seed", () => {
    const [base, crippled] = [rowOf("planted", "base"), rowOf("planted", "crippled")];
    assert.deepEqual([base.delta, base.verdict, base.against], [null, null, null]);
    assert.equal(crippled.against, "base");
    assert.deepEqual(crippled.seeds, [0, 1, 2]);
    const last = (seed: number, row: string) => {
      const events = metrics(at("planted", "runs", row, `seed-${seed}`));
      const done = events.find((event) => event.type === "done");
      return done?.type === "done" ? done.top1 : Number.NaN;
    };
    const expected = [0, 1, 2].map((seed) => last(seed, "2-crippled") - last(seed, "1-base"));
    assert.deepEqual(crippled.delta?.seeds, expected);
    assert.deepEqual(
      base.top1?.seeds,
      [0, 1, 2].map((seed) => last(seed, "1-base")),
    );
    assert.ok((base.imagesPerSecond ?? 0) > 0 && (base.seconds ?? 0) > 0);
    assert.equal(base.recipe.lr, 0.05);
    assert.ok(!("seed" in base.recipe));
  });

  test("the terminal and the files say the same", () => {
    assert.match(ended.stdout, /runs: 3 rows x 3 seeds \(0, 1, 2\) = 9/);
    assert.match(ended.stdout, /│ crippled +│.*│ hurts/);
    assert.match(readFileSync(at("planted", "table.md"), "utf8"), /\| crippled \|.*\| hurts \|/);
    const csv = readFileSync(at("planted", "table.csv"), "utf8").trimEnd().split("\n");
    assert.match(csv[0] ?? "", /^row,seeds,top1_mean,/);
    assert.match(csv[2] ?? "", /^crippled,0 1 2,.*,hurts,/);
    assert.match(readFileSync(at("planted", "table.html"), "utf8"), /crippled/);
    const document = tableIn("planted");
    assert.deepEqual([document.complete, document.finishedRuns, document.runs], [true, 9, 9]);
  });

  test("started again, nothing is trained again, also where an earlier version of recipes had no select", async () => {
    const before = figuresOf("planted");
    const settings = at("planted", "ablation.json");
    writeFileSync(settings, readFileSync(settings, "utf8").replaceAll(/ *"select": "top-1",\n/g, ""));
    assert.doesNotMatch(readFileSync(settings, "utf8"), /"select"/);
    const metricsFile = at("planted", "runs", "1-base", "seed-0", "metrics.jsonl");
    const { mtimeMs } = statSync(metricsFile);
    const again = await ablate(PLANTED);
    assert.match(again.stdout, /9 of them finished already/);
    assert.equal(statSync(metricsFile).mtimeMs, mtimeMs);
    assert.deepEqual(figuresOf("planted"), before);
  });

  test("with other settings the folder is refused, and what differs is said", async () => {
    const other = await ablate([...PLANTED, "--lr", "0.1", "--seeds", "4"]);
    assert.equal(other.code, 2);
    assert.match(
      other.stderr,
      /^knack: planted holds an ablation with other settings: seeds\.3 was absent and is 3; rows\.0\.recipe\.lr was 0\.05 and is 0\.1; .*choose another --out\n$/,
    );
  });
});

test("asked for more seeds, a row in between, other epochs: only what is missing is trained, and the figures are those of one asked for it at once", async () => {
  const args = (epochs: number, seeds: number, out: string) => {
    return ["data", "--table", "more.json", "--epochs", `${epochs}`, "--seeds", `${seeds}`, "--out", out, ...SMALL];
  };
  const [base, last] = [{}, { weightDecay: 0.1 }];
  writeGrid("more.json", { base, last });
  assert.equal((await ablate(args(1, 1, "more"))).code, 0);
  const first = at("more", "runs", "1-base", "seed-0", "metrics.jsonl");
  const { mtimeMs } = statSync(first);
  writeGrid("more.json", { base, between: { lr: 0.02 }, last });
  const more = await ablate(args(1, 2, "more"));
  assert.match(more.stdout, / = 6, 2 of them finished already/);
  await ablate(args(1, 2, "at-once"));
  assert.deepEqual(figuresOf("more"), figuresOf("at-once"));
  const longer = await ablate(args(2, 1, "more"));
  assert.doesNotMatch(longer.stdout, /finished already/, "a longer run is another from its first step on");
  const back = await ablate(args(1, 2, "more"));
  assert.match(back.stdout, / = 6, 6 of them finished already/);
  assert.deepEqual(figuresOf("more"), figuresOf("at-once"));
  assert.equal(statSync(first).mtimeMs, mtimeMs);
  writeGrid("more.json", { base, between: { lr: 0.03 }, last });
  const other = await ablate(args(1, 2, "more"));
  assert.match(
    other.stderr,
    /more holds an ablation with other settings: rows\.1\.recipe\.lr was 0\.02 and is 0\.03; /,
  );
});

test("an ablation that was killed, twice, ends with the same figures and repeats no finished run", async () => {
  const args = PLANTED.map((arg) => (arg === "planted" ? "killed" : arg));
  const first = await ablate(args, { when: printed("[1/9]"), signal: "SIGKILL" });
  assert.equal(first.signal, "SIGKILL");
  const run = at("killed", "runs", "1-base", "seed-0", "metrics.jsonl");
  const { mtimeMs } = statSync(run);
  assert.deepEqual([tableIn("killed").complete, tableIn("killed").finishedRuns], [false, 1]);
  // In the middle of a run, after its first checkpoint.
  const checkpoint = at("killed", "runs", "2-crippled", "seed-1", "checkpoints", "last");
  const second = await ablate(args, { when: () => existsSync(checkpoint), signal: "SIGKILL" });
  assert.match(second.stdout, /1 of them finished already/);
  assert.equal(second.signal, "SIGKILL");
  const third = await ablate(args);
  assert.equal(third.code, 0, third.stderr);
  assert.match(third.stdout, /4 of them finished already/);
  assert.match(third.stdout, /\[5\/9\] crippled, seed 1 \(went on\)/);
  assert.deepEqual(figuresOf("killed"), figuresOf("planted"));
  assert.equal(statSync(run).mtimeMs, mtimeMs);
});

test("Ctrl-C stops at a checkpoint of the run under way, which goes on", async () => {
  const args = ["data", "--table", "planted.json", "--epochs", "2", "--seeds", "1", "--out", "stopped", ...SMALL];
  const stopped = await ablate(args, { when: printed("[2/3]"), signal: "SIGINT" });
  assert.equal(stopped.code, 130);
  assert.match(stopped.stdout, /stopped; the same command goes on from here\n$/);
  assert.match(stopped.stdout, /PARTIAL: [23] of 3 runs/);
  assert.ok(!existsSync(at("stopped", "lock.json")));
  const { code, stdout } = await ablate(args);
  assert.equal(code, 0);
  assert.match(stdout, /one seed shows no spread/);
  assert.equal(rowOf("stopped", "crippled").top1?.ci95, null);
  assert.equal(rowOf("stopped", "crippled").verdict, "unclear");
});

test("rows of one seed begin with the same bits and see the same images in the same order", () => {
  const source = openData(at("data"));
  const base = parseRecipe({ model: "resnet18_small", modelOptions: { width: 8 }, batchSize: 32, seed: 5 }, "base");
  const trainerOf = (changes: object) => {
    const recipe = parseRecipe(changes, "row", base);
    return new Trainer(recipe, trainingData(source, recipe, undefined), { device: "cpu" });
  };
  const [plain, smoothed, mixed] = [{}, { labelSmoothing: {} }, { mixup: {}, schedule: { type: "cosine" } }].map(
    trainerOf,
  );
  assert.ok(plain && smoothed && mixed);
  try {
    assert.deepEqual(smoothed.weights(), plain.weights());
    assert.deepEqual(mixed.weights(), plain.weights());
  } finally {
    for (const trainer of [plain, smoothed, mixed]) trainer.dispose();
  }
  // The order belongs to the seed and the epoch alone; nothing else of a recipe goes into it.
  const order = (seed: number) => epochOrder(source.train as Split, "shuffle", seed, 1);
  assert.deepEqual(order(5), order(5));
  assert.notDeepEqual(order(5), order(6));
});

test("two rows that differ in label smoothing see the same batches: with no smoothing to speak of their first losses are equal", async () => {
  writeGrid("pair.json", { plain: {}, smooth: { labelSmoothing: { epsilon: 1e-9 } } });
  const { code } = await ablate([
    "data",
    "--table",
    "pair.json",
    "--epochs",
    "1",
    "--seeds",
    "1",
    "--out",
    "pair",
    ...SMALL,
  ]);
  assert.equal(code, 0);
  const firstLosses = ["1-plain", "2-smooth"].map((row) => {
    const steps = metrics(at("pair", "runs", row, "seed-0")).filter((event) => event.type === "step");
    return steps.slice(0, 3).map((event) => (event.type === "step" ? event.loss : Number.NaN));
  });
  const [plain = [], smooth = []] = firstLosses;
  for (const [step, loss] of plain.entries()) assert.ok(Math.abs(loss - (smooth[step] ?? 0)) < 1e-3);
});

test("a row that diverges is a result, and the others go on", async () => {
  writeGrid("diverging.json", { base: {}, wild: { lr: 1e30 }, other: { lr: 0.04 } });
  const args = ["data", "--table", "diverging.json", "--epochs", "1", "--seeds", "1", "--out", "diverging", ...SMALL];
  const { code, stdout } = await ablate(args);
  assert.equal(code, 0);
  assert.match(stdout, /wild, seed 0 \| diverged: step \d+: the loss is not finite/);
  const wild = rowOf("diverging", "wild");
  assert.deepEqual([wild.top1, wild.delta, wild.verdict], [null, null, "unclear"]);
  assert.match(wild.diverged[0]?.message ?? "", /not finite/);
  assert.ok(rowOf("diverging", "other").top1);
  assert.match((await ablate(args)).stdout, /3 of them finished already/);
});

test("a teacher is trained first, and the rows learn from it", async () => {
  const { code, stdout, stderr } = await ablate(
    ["data", "--table", "refinements", "--epochs", "1", "--seeds", "1", "--warmup", "0.25", "--out", "taught"].concat(
      SMALL,
    ),
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\[1\/7\] the teacher, resnet34_small/);
  assert.deepEqual(readdirSync(at("taught", "runs")).sort(), [
    "1-efficient",
    "2-cosine",
    "3-label-smoothing",
    "4-distillation-no-mixup",
    "5-mixup-no-distillation",
    "6-mixup-and-distillation",
    "teacher",
  ]);
  const [audit] = metrics(at("taught", "runs", "4-distillation-no-mixup", "seed-0"));
  assert.match(JSON.stringify(audit), /from resnet34_small, T = 20/);
});

test("a budget says what it chose before it starts, and keeps it", async () => {
  const args = ["data", "--table", "planted.json", "--epochs", "1000", "--seeds", "3", "--out", "budget", ...SMALL];
  const budget = ["--budget", "18s"];
  const started = await ablate([...args, ...budget], { when: printed("[1/9]"), signal: "SIGTERM" });
  assert.equal(started.code, 143, started.stderr);
  assert.match(
    started.stdout,
    /checking 3 rows and timing their steps …[\s\S]*budget: 18s: \d+ epochs instead of 1000.*; expected: about \d+s\nruns: 3 rows x 3 seeds/,
  );
  const [, epochs] = /: (\d+) epochs instead/.exec(started.stdout) ?? [];
  assert.equal(rowOf("budget", "base").recipe.epochs, Number(epochs));
  const again = await ablate([...args, ...budget], { when: printed("[2/9]"), signal: "SIGTERM" });
  assert.match(
    again.stdout,
    new RegExp(`^ablation: budget\n[\\s\\S]*: ${epochs} epochs instead of 1000`),
    "nothing is timed again",
  );
  const short = await ablate([...args.slice(0, -SMALL.length - 1), "short", ...SMALL, "--budget", "1s"]);
  assert.equal(short.code, 2);
  assert.match(short.stderr, /^knack: --budget: 1 s are too short: with 3 seeds, 5 epochs and an eighth .*\n$/);
});

describe("misuse is one line and exit code 2, and nothing is trained", () => {
  const cases: [string, string[], RegExp][] = [
    ["no table", ["data"], /--table: is missing; there are efficient, tweaks, /],
    ["an unknown table", ["data", "--table", "tweeks"], /no table "tweeks"; did you mean "tweaks"/],
    ["a grid that is not there", ["data", "--table", "none.json"], /there is no file none\.json/],
    ["no seeds", ["data", "--table", "tweaks", "--seeds", "0"], /--seeds: must be a whole number, at least 1, not "0"/],
    ["half a seed", ["data", "--table", "tweaks", "--seeds", "1.5"], /--seeds: must be a whole number/],
    ["a wrong budget", ["data", "--table", "tweaks", "--budget", "2 weeks"], /--budget: must be a time such as 2h/],
    ["no budget", ["data", "--table", "tweaks", "--budget", "0s"], /--budget: must be a time/],
    ["a wrong model", ["data", "--table", "tweaks", "--model", "resnet20"], /--table tweaks: is about ResNet-18/],
    [
      "a missing teacher",
      ["data", "--table", "refinements", "--teacher", "none", ...SMALL, "--epochs", "1", "--warmup", "0.25"],
      /row "\+ distillation, no mixup": distillation\.teacher: there is no checkpoint at none/,
    ],
    ["a wrong option", ["data", "--table", "tweaks", "--lr", "fast"], /--lr: must be a number above 0, not "fast"/],
    [
      "an idle teacher model",
      ["data", "--table", "tweaks", "--model", "resnet18", "--teacher-model", "x"],
      /--teacher-model: has no effect/,
    ],
    [
      "idle equal epochs",
      ["data", "--table", "tweaks", "--model", "resnet18", "--equal-epochs"],
      /--equal-epochs: has no effect/,
    ],
    [
      "missing data",
      ["nowhere", "--table", "tweaks", ...SMALL, "--epochs", "1", "--warmup", "0.25"],
      /no data set or folder "[^"]*nowhere"/,
    ],
    [
      "a trick that changes nothing",
      ["data", "--table", "tweaks", ...SMALL, "--epochs", "1", "--weight-decay", "0"],
      /row "ResNet-18 \(v1 = B\)": no-bias-decay was asked for and changed nothing/,
    ],
  ];
  let all: readonly Ended[] = [];
  before(async () => {
    all = await commandLines(
      cases.map(([, args]) => ["ablate", ...args, "--out", "misuse"]),
      { cwd: scratch },
    );
  });
  for (const [index, [what, , message]] of cases.entries()) {
    test(what, () => assertOneLine(all[index], 2, message));
  }
  after(() => assert.ok(!existsSync(at("misuse", "runs"))));

  test("a folder of something else", async () => {
    const { code, stderr } = await ablate(["data", "--table", "planted.json", ...SMALL, "--out", "data"]);
    assert.match(stderr, /^knack: data is not empty and holds no ablation: choose another --out\n$/);
    assert.equal(code, 2);
  });

  test("a folder that another process works in", async () => {
    mkdirSync(at("locked"));
    const args = "data --table planted.json --epochs 1 --seeds 1 --out locked".split(" ");
    {
      using _ = FolderLock.take(at("locked"));
      const { code, stderr } = await ablate([...args, ...SMALL]);
      assert.match(
        stderr,
        new RegExp(`^knack: locked is being written by process ${process.pid} since .*: wait until .*\\n$`),
      );
      assert.equal(code, 2);
    }
    writeFileSync(at("locked", "lock.json"), '{"pid": 1, "host": "gone", "since": "2026-01-01T00:00:00Z"}');
    const stale = await ablate([...args, ...SMALL]);
    assert.deepEqual([stale.stderr, stale.code], ["", 0], "a killed process's lock is taken over");
  });
});

function metrics(run: string): TrainEvent[] {
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}
