/** Reports: their figures, and the pages of runs that ended badly or whose data are gone. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type ImageSet, sharedBytes, sharedLabels } from "../../src/data/image-set.js";
import { calibrationOf } from "../../src/metrics/calibration.js";
import type { Outcomes } from "../../src/metrics/outcomes.js";
import { loss } from "../../src/metrics/loss.js";
import { confusionOf } from "../../src/report/confusion.js";
import { reportPage } from "../../src/report/report-page.js";
import type { RunRecord } from "../../src/report/run-record.js";
import { randomFor } from "../../src/tensor/random.js";
import type { EpochEvent, StepEvent } from "../../src/run/events.js";
import { presets } from "../../src/recipe/presets.js";
import { repositoryRoot } from "../support/oracle.js";
import { writeTinyData } from "../support/tiny-data.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-report-"));
const at = (...path: string[]) => join(scratch, ...path);
after(() => rmSync(scratch, { recursive: true, force: true }));

type Prediction = readonly [label: number, predicted: number, confidence: number];

function outcomesOf(predictions: readonly Prediction[], classes: number): Outcomes {
  const likelihood = ([label, predicted, confidence]: Prediction) =>
    label === predicted ? confidence : (1 - confidence) / 2;
  return {
    classes,
    weights: new Float64Array(predictions.length).fill(1),
    labels: Int32Array.from(predictions, ([label]) => label),
    predicted: Int32Array.from(predictions, ([, predicted]) => predicted),
    ranks: Int32Array.from(predictions, ([label, predicted]) => (label === predicted ? 0 : 1)),
    losses: Float64Array.from(predictions, (each) => -Math.log(likelihood(each))),
    confidences: Float64Array.from(predictions, ([, , confidence]) => confidence),
    scores: undefined,
  };
}

/** Nothing of the program shows in the page, and nothing in it is elsewhere. */
function assertPlain(page: string): void {
  const text = page.replace(/data:image\/\w+;base64,[\w+/=]+/g, "");
  const found = /NaN|undefined|null|\[object|(?:https?:)?\/\/(?!www\.w3\.org)\S*/.exec(text);
  assert.equal(found?.[0], undefined);
}

test("calibration is that of Guo et al., section 2, worked by hand", () => {
  const outcomes = outcomesOf(
    [
      [0, 0, 0.95], // bin 15, (14/15, 1]
      [0, 1, 0.99], // bin 15
      [1, 1, 0.6], // bin 9, (8/15, 9/15]
      [1, 2, 0.61], // bin 10
    ],
    3,
  );
  const found = calibrationOf(outcomes);
  assert.equal(found.bins.length, 15);
  assert.deepEqual(
    found.bins.map(({ images }) => images),
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 2],
  );
  const ece = (2 / 4) * Math.abs(0.5 - 0.97) + (1 / 4) * (1 - 0.6) + (1 / 4) * 0.61;
  assert.ok(Math.abs(found.ece - ece) < 1e-12);
  const nll = -(Math.log(0.95) + Math.log(0.005) + Math.log(0.6) + Math.log(0.195)) / 4;
  assert.ok(Math.abs(loss.value(outcomes) - nll) < 1e-12);
  assert.ok(Math.abs(found.accuracy - 0.5) < 1e-12);
  assert.ok(Math.abs(found.confidence - 0.7875) < 1e-12);
});

test("a sure network that is right is calibrated, also at confidence 1", () => {
  const sure = outcomesOf(
    [
      [0, 0, 1],
      [1, 1, 1],
    ],
    2,
  );
  const { ece, bins } = calibrationOf(sure);
  assert.deepEqual({ ece, nll: loss.value(sure) + 0, images: bins[14]?.images }, { ece: 0, nll: 0, images: 2 });
});

test("confusion counts, and sorts the pairs that were confused", () => {
  const pairs = [
    [0, 0],
    [0, 1],
    [0, 1],
    [2, 0],
    [2, 2],
  ] as const;
  const found = confusionOf(
    outcomesOf(
      pairs.map(([label, predicted]) => [label, predicted, 0.5]),
      3,
    ),
  );
  assert.deepEqual(
    [0, 1, 2].map((label) => [0, 1, 2].map((predicted) => found.count(label, predicted))),
    [
      [1, 2, 0],
      [0, 0, 0],
      [1, 0, 1],
    ],
  );
  assert.deepEqual(found.pairs, [
    { label: 0, predicted: 1, images: 2 },
    { label: 2, predicted: 0, images: 1 },
  ]);
  const counts = found.classes.map(({ label, images, right, taken }) => ({ label, images, right, taken }));
  assert.deepEqual(counts, [
    { label: 0, images: 3, right: 1, taken: 2 },
    { label: 1, images: 0, right: 0, taken: 2 },
    { label: 2, images: 2, right: 1, taken: 1 },
  ]);
});

test("a run of 1,000 classes, 50,000 images and 100,000 steps has a report below 5 MB", async () => {
  const [classes, images, steps] = [1000, 50_000, 100_000];
  const random = randomFor(0, "report of 1,000 classes");
  const names = Array.from({ length: classes }, (_, label) => `class ${label}, ${"also known as ".repeat(6)}`);
  const shape = { height: 64, width: 64, channels: 3 } as const;
  const labels = sharedLabels(images).map(() => random.integer(classes));
  // Pictures of noise are the largest; only those of the first images are shown.
  const shown = 300;
  const pixels = sharedBytes(shown * 64 * 64 * 3).map(() => random.integer(256));
  const set: ImageSet = { name: "noise", ...shape, pixels, labels, count: images, classes: names, mean: [], std: [] };
  const predictions = Array.from(labels, (label, index): Prediction => {
    const confidence = index < shown ? 0.99 : random.integer(90) / 100 + 0.001;
    return [label, random.integer(2) ? label : random.integer(classes), confidence];
  });
  const indices = predictions.map((_, index) => index);
  const epoch = (step: number) => Math.ceil(step / 1000);
  const stepEvents = Array.from({ length: steps }, (_, index): StepEvent => {
    const place = { step: index + 1, totalSteps: steps, epoch: epoch(index + 1), epochs: 100, stepInEpoch: 1 };
    const figures = { loss: random.integer(700) / 100, labelLoss: random.integer(700) / 100, lr: 0.1 };
    return {
      ...{ type: "step", stepsPerEpoch: 1000, ...place, ...figures },
      ...{ imagesPerSecond: random.integer(900), skippedSteps: 0, lossScale: 65536 >> random.integer(4) },
    };
  });
  const epochs = Array.from({ length: 100 }, (_, index): EpochEvent => {
    const results = { trainLoss: 1, top1: index / 200, top5: 1, validationLoss: 2, best: true, lr: 0.1 };
    const times = { imagesPerSecond: 100, waitSeconds: 0, badPictures: 0, seconds: 5 };
    const metrics = { "top-1": index / 200, "top-5": 1, loss: 2 };
    return { type: "epoch", epoch: index + 1, step: 1000 * (index + 1), ...results, metrics, ...times };
  });
  const run: RunRecord = {
    ...{
      name: "large",
      metrics: [...stepEvents, ...epochs],
      audit: undefined,
      epochs,
      tests: [],
      changes: [],
      done: undefined,
    },
    ...{ recipe: { ...presets.baseline }, environment: undefined },
  };
  const metrics = { "top-1": 0.5, "top-5": 0.75, loss: 2 };
  const outcomes = outcomesOf(predictions, classes);
  const page = await reportPage(run, { set, outcomes, indices, metrics, checkpoint: "best", epoch: undefined });
  assert.ok(page.length > 100_000 && page.length < 5e6, `${page.length} bytes`);
  assert.ok(!page.includes('class="matrix"'), "a matrix of 1,000 classes is not looked at");
  assert.ok(page.includes("Loss scale"));
  assert.match(page, /All 1,000 classes/);
  assert.match(page, /<dt>top-5<\/dt><dd>75\.00\u00a0%<\/dd><dd class="interval">\d/);
  assert.match(page, /AUROC[\s\S]*left out: 50,000 images of 1,000 classes have more than 16,777,216 scores/);
  assertPlain(page);
});

describe("knack report", () => {
  const knack = (...args: string[]) =>
    spawnSync(process.execPath, [join(repositoryRoot, "bin/knack.js"), ...args], {
      encoding: "utf8",
      cwd: scratch,
      env: { ...process.env, OMP_NUM_THREADS: "1" },
    });
  const TRAIN = "--model resnet18_small --option width=8 --batch-size 32 --lr 0.05 --epochs 1".split(" ");
  /** The report of a run; it must be written. */
  const reportOf = (run: string, stderr = /^$/) => {
    const ended = knack("report", run, "--out", "page.html");
    assert.equal(ended.status, 0, ended.stderr);
    assert.match(ended.stderr, stderr);
    assert.equal(ended.stdout, "report: page.html\n");
    const page = readFileSync(at("page.html"), "utf8");
    assertPlain(page);
    return page;
  };
  const copyOfRun = (name: string) => {
    cpSync(at("run"), at(name), { recursive: true, verbatimSymlinks: true });
    return name;
  };
  const changeMetrics = (run: string, change: (lines: string[]) => string[]) => {
    const file = at(run, "metrics.jsonl");
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    writeFileSync(
      file,
      change(lines)
        .map((line) => `${line}\n`)
        .join(""),
    );
  };

  before(() => {
    writeTinyData(at("data"));
    const { status, stderr } = knack("train", "data", ...TRAIN, "--out", "run");
    assert.equal(status, 0, stderr);
  });

  test("measures what knack eval measures, of a run of one epoch", () => {
    const page = reportOf("run");
    const { top1, loss, images } = JSON.parse(knack("eval", "run", "data", "--json").stdout);
    assert.ok(page.includes(`<dd>${(100 * top1).toFixed(2)}\u00a0%</dd>`));
    assert.ok(page.includes(`<dd>${loss.toFixed(4)}</dd>`));
    assert.ok(page.includes(`<dd>${images}</dd>`));
    assert.match(page, /Of the best checkpoint \(after epoch 1\)/);
    for (const title of [
      "Curves",
      "Metrics",
      "Confusion",
      "Accuracy of each class",
      "Calibration",
      "Most confident mistakes",
    ]) {
      assert.ok(page.includes(`<h2>${title}</h2>`), title);
    }
    for (const title of ["What each trick changed", "Recipe", "Environment"])
      assert.ok(page.includes(`<h2>${title}</h2>`));
    assert.ok(!page.includes('class="notice"'));
  });

  test("is written by knack train too, the same", () => {
    reportOf("run");
    assert.equal(readFileSync(at("page.html"), "utf8"), readFileSync(at("run", "report.html"), "utf8"));
  });

  test("makes a page of what is left where the data are gone", () => {
    renameSync(at("data"), at("moved"));
    try {
      const page = reportOf("run", /^knack: the report is without measurements: [^\n]+\n$/);
      assert.match(
        page,
        /class="notice">Its checkpoint cannot be evaluated on its data any more: .*no confusion matrix/,
      );
      assert.ok(page.includes("<h2>Curves</h2>") && !page.includes("<h2>Confusion</h2>"));
      assert.ok(page.includes("best top-1"));
    } finally {
      renameSync(at("moved"), at("data"));
    }
  });

  test("makes a page of a run that a program gave its images, or whose data are others now", () => {
    const run = copyOfRun("in-memory");
    writeFileSync(at(run, "data.json"), JSON.stringify({ source: null, description: "mine" }));
    assert.match(reportOf(run, /only that has them/), /a program gave the run its images/);
    writeTinyData(at("other"), { classes: 4 });
    writeFileSync(at(run, "data.json"), JSON.stringify({ source: at("other"), description: "other" }));
    assert.match(reportOf(run, /10 classes, not 4/), /class="notice"/);
  });

  test("makes a page of runs that were interrupted, with and without a checkpoint, and whose losses were not finite", () => {
    const run = copyOfRun("interrupted");
    changeMetrics(run, (lines) => lines.filter((line) => !line.includes('"done"')));
    assert.match(reportOf(run), /has not come to its end: 1 of its 1 epochs are done/);
    changeMetrics(run, (lines) =>
      lines.map((line) => line.replace(/"(labelLoss|trainLoss|validationLoss|imagesPerSecond)":[^,]+/g, '"$1":null')),
    );
    assert.match(reportOf(run), /No figures\./);
    rmSync(at(run, "checkpoints"), { recursive: true });
    assert.match(reportOf(run, /before its first checkpoint/), /not finite/);
    writeFileSync(at(run, "metrics.jsonl"), "");
    rmSync(at(run, "environment.json"));
    assert.match(reportOf(run, /before its first checkpoint/), /The run&#39;s metrics hold no audit|hold no audit/);
  });

  test("says in one line what is wrong with its input", () => {
    const faults: [string[], RegExp][] = [
      [["none"], /there is no run folder none/],
      [["data"], /data is no run folder/],
      [["run", "--out", "none/page.html"], /there is no folder none/],
      [["run", "--out", "data"], /data is a folder, not a file/],
      [[], /missing required argument/],
    ];
    for (const [args, message] of faults) {
      const { status, stderr } = knack("report", ...args);
      assert.match(stderr, /^knack: [^\n]+\n$/);
      assert.match(stderr, message);
      assert.equal(status, 2);
    }
  });

  test("that cannot be written is a warning at the end of a training run", () => {
    const run = copyOfRun("blocked");
    rmSync(at(run, "report.html"));
    mkdirSync(at(run, "report.html"));
    const { status, stderr, stdout } = knack("train", "--resume", run);
    assert.equal(status, 0);
    assert.match(stdout, /done in/);
    assert.match(stderr, /^knack: warning: no report of the run could be written: [^\n]+\n$/);
  });
});
