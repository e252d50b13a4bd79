/** All folds by one call: each image predicted once by a network that has not seen it, the mean over folds, and going on where it stopped. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { before, test } from "node:test";
import { parse } from "csv-parse/sync";
import { openData } from "../../src/data/sources/open.js";
import { crossValidate } from "../../src/folds/cross-validate.js";
import type { FoldsEvent } from "../../src/folds/events.js";
import { type FoldFigures, type FoldOutcome, summarize } from "../../src/folds/summary.js";
import { evaluateCheckpoint } from "../../src/run/evaluate-checkpoint.js";
import { commandLines } from "../support/command.js";
import { inputError } from "../support/input-error.js";
import { numbered, writePhotos } from "../support/tiny-photos.js";
import { scratchFolder, tiny } from "../support/tiny-training.js";
import { writeTinyData } from "../support/tiny-data.js";

const at = scratchFolder("folds");
const recipe = tiny({ imageSize: 24, epochs: 2 });
const names = [...numbered("ant", 11), 'ant/a,"b.jpg', ...numbered("bee", 10)];
const options = () => ({ data: at("photos"), split: { folds: 2 }, recipe, out: at("out"), workers: 0 });

async function eventsOf(events: AsyncIterable<FoldsEvent>, each: (event: FoldsEvent) => void = () => {}) {
  const all: FoldsEvent[] = [];
  for await (const event of events) {
    all.push(event);
    each(event);
  }
  return all;
}

before(async () => {
  await writePhotos(at("photos"), names);
});

test("what is stopped goes on; each image is predicted once, by the network that has not seen it", async () => {
  const stop = new AbortController();
  const stopped = await eventsOf(crossValidate({ ...options(), signal: stop.signal }), (event) => {
    if (event.type === "fold" && event.fold === 2) stop.abort();
  });
  assert.equal(stopped.at(-1)?.type, "interrupted");
  assert.ok(existsSync(at("out/fold-1/predictions.json")));
  await assert.rejects(
    eventsOf(crossValidate({ ...options(), recipe: tiny({ imageSize: 24, epochs: 3 }) })),
    inputError(
      /out holds folds with other settings: recipe\.epochs was 2 and is 3.*--resume .*out, or choose another --out/,
    ),
  );
  const events = await eventsOf(crossValidate({ resume: at("out"), workers: 0 }));
  assert.deepEqual(events[0], { type: "plan", out: at("out"), folds: 2, finished: 1 });
  const done = events.at(-1);
  assert.ok(done?.type === "done");

  const rows: Record<string, string>[] = parse(readFileSync(at("out/out-of-fold.csv")), { columns: true });
  assert.deepEqual(rows.map(({ path }) => path).sort(), [...names].sort());
  let right = 0;
  for (const fold of [1, 2]) {
    const run = at(`out/fold-${fold}`);
    const held: string[] = JSON.parse(readFileSync(`${run}/validation.json`, "utf8"));
    const own = rows.filter((row) => row.fold === String(fold));
    assert.deepEqual(own.map(({ path }) => path).sort(), [...held].sort());
    const { validation } = openData(at("photos"), { held: { validation: held } });
    const { metrics } = await evaluateCheckpoint(`${run}/checkpoints/last`, [validation]);
    const figures: FoldFigures | undefined = done.summary.folds[fold - 1];
    assert.deepEqual([figures?.images, figures?.epoch, figures?.metrics], [11, 2, metrics]);
    const hits = own.filter((row) => row.predicted === row.class).length;
    assert.ok(Math.abs(hits / own.length - (metrics["top-1"] ?? 0)) < 1e-12);
    const nll = own.reduce((sum, row) => sum - Math.log(Number(row.of_class)), 0) / own.length;
    assert.ok(Math.abs(nll - (metrics.loss ?? 0)) < 1e-4, `${nll}, ${metrics.loss}`);
    right += hits;
  }
  for (const row of rows) {
    assert.ok(Math.abs(Number(row["p(ant)"]) + Number(row["p(bee)"]) - 1) < 1e-5);
    assert.ok(Math.abs(Number(row.confidence) - Number(row[`p(${row.predicted})`])) < 1e-5);
    assert.equal(row.class, row.path?.slice(0, 3));
  }
  const [top1] = done.summary.metrics;
  assert.ok(top1?.name === "top-1" && Math.abs(top1.mean - right / rows.length) < 1e-12);
  assert.deepEqual(JSON.parse(readFileSync(at("out/summary.json"), "utf8")), done.summary);
  const page = readFileSync(at("out/report.html"), "utf8");
  assert.match(done.summary.data, /^photos: 11 training and 11 validation photographs.*; 2 folds, seed 0/);
  assert.match(page, /<h2>Confusion<\/h2>/);

  // Finished, it is only put together again.
  const again = await eventsOf(crossValidate(options()));
  assert.deepEqual(
    again.map(({ type }) => type),
    ["plan", "done"],
  );
});

test("settings with which nothing could be trained leave nothing behind", async () => {
  const wrong = { ...options(), out: at("wrong"), recipe: tiny({ imageSize: 24, batchSize: 999 }) };
  await assert.rejects(
    eventsOf(crossValidate(wrong)),
    inputError(/batchSize: 999 is more than the 11 training images/),
  );
  assert.ok(!existsSync(at("wrong")));
  await assert.rejects(
    eventsOf(crossValidate({ ...options(), split: {} })),
    inputError(/--folds: how many is missing/),
  );
  mkdirSync(at("other"));
  writeFileSync(at("other/file"), "");
  await assert.rejects(
    eventsOf(crossValidate({ ...options(), out: at("other") })),
    inputError(/is not empty and holds no folds/),
  );
});

test("the mean is Student's over the folds; one that diverged is left out; an image in two folds is an error", () => {
  const image = { label: 0, predicted: 0, rank: 0, confidence: 1, loss: 0, probabilities: [1, 0] };
  const outcome = (fold: number, top1: number, name: string): FoldOutcome => ({
    ...{ fold, seconds: 1 },
    predictions: { epoch: 1, metrics: { "top-1": top1 }, classes: ["a", "b"], held: 2, images: [{ ...image, name }] },
  });
  const diverged = { fold: 4, seconds: 0, diverged: "not finite" };
  const { metrics, images, folds } = summarize("data", [
    outcome(1, 0.8, "x"),
    outcome(2, 0.9, "y"),
    outcome(3, 1, "z"),
    diverged,
  ]);
  // scipy.stats.t.interval(0.95, 2, loc=0.9, scale=0.1 / sqrt(3))
  const [low = 0, high = 0] = metrics[0]?.ci95 ?? [];
  assert.ok(
    Math.abs((metrics[0]?.mean ?? 0) - 0.9) < 1e-12 &&
      Math.abs(low - 0.651586228) < 1e-8 &&
      Math.abs(high - 1.148413772) < 1e-8,
  );
  assert.deepEqual(
    [images, folds.map((fold) => [fold.unread, fold.diverged])],
    [
      3,
      [
        [1, null],
        [1, null],
        [1, null],
        [0, "not finite"],
      ],
    ],
  );
  assert.throws(() => summarize("data", [outcome(1, 1, "x"), outcome(2, 1, "x")]), /"x" is in two of them/);
});

test("images in memory: each training image is in one fold, and the test files are left alone", () => {
  const data = writeTinyData(at("tiny"), { train: 50, validation: 20 });
  const folds = [1, 2, 3].map((fold) => openData(data, { split: { folds: 3, fold } }));
  const numbers = folds.flatMap((source) => ("kind" in source ? [] : [...(source.validationNumbers ?? [])]));
  assert.deepEqual(
    numbers.sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => i),
  );
  assert.ok(folds.every(({ test: kept }) => kept === undefined));
  assert.match(folds[1]?.description ?? "", /fold 2 of 3 by seed 0, and those for validation are left alone/);
});

test("what is asked for wrongly is said", async () => {
  const cases: [args: string[], said: RegExp][] = [
    [["--folds", "1"], /^knack: --folds: must be a whole number, at least 2, not "1"/],
    [["--fold", "2"], /^knack: --fold: say of how many, by --folds/],
    [["--folds", "3", "--fold", "4"], /^knack: --fold: must be a whole number from 1 to 3, not 4/],
    [
      ["--folds", "3", "--validation", "0.1"],
      /^knack: --folds and --validation: a fold is what is validated on; drop one/,
    ],
    [
      ["--folds", "12", "--out", at("many")],
      /^knack: --folds: the class "bee" has 10 pictures, and 12 folds need as many/,
    ],
    [["--validation", "100%"], /^knack: --validation: must be a share above 0 and below 1/],
    [["--split-seed", "x"], /^knack: --split-seed: must be a whole number/],
  ];
  const ended = await commandLines(cases.map(([args]) => ["train", at("photos"), ...args]));
  for (const [index, [, said]] of cases.entries()) {
    assert.match(ended[index]?.stderr ?? "", said);
    assert.equal(ended[index]?.code, 2);
  }
  const [, resumed] = await commandLines([["doctor"], ["train", "--resume", at("out"), "--epochs", "3"]]);
  assert.match(resumed?.stderr ?? "", /^knack: --resume: folds go on with the settings they began with; drop --epochs/);
});
