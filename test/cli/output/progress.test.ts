import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { createProgress, formatDuration } from "../../../src/cli/output/progress.js";
import type { AuditEvent, EpochEvent, TrainEvent } from "../../../src/run/events.js";

class Screen extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}

function stepEvent(step: number, skippedSteps = 0): TrainEvent {
  const epoch = Math.ceil(step / 10);
  return {
    type: "step",
    step,
    totalSteps: 20,
    epoch,
    epochs: 2,
    stepInEpoch: step - 10 * (epoch - 1),
    stepsPerEpoch: 10,
    loss: 1.5,
    labelLoss: 1.5,
    lr: 0.05,
    imagesPerSecond: 812.4,
    skippedSteps,
    lossScale: 1,
  };
}

const audit = {
  type: "audit",
  run: "runs/a",
  model: "resnet18d",
  parameters: 11_190_000,
  data: "fashion-mnist, 60000 training and 10000 validation images",
  epochs: 2,
  stepsPerEpoch: 10,
  batchSize: 128,
  peakLr: 0.05,
  precision: "bf16",
  engine: "plain",
  tricks: [
    { trick: "warmup", asked: true, touched: 5, detail: "5 steps" },
    { trick: "no-bias-decay", asked: false, touched: 0, detail: "off: weight decay on all" },
  ],
  metrics: [
    { name: "top-1", title: "top-1", higherIsBetter: true, form: "percent", brief: true },
    { name: "top-5", title: "top-5", higherIsBetter: true, form: "percent", brief: true },
    { name: "loss", title: "loss", higherIsBetter: false, form: "number", brief: true },
    { name: "macro-f1", title: "macro F1", higherIsBetter: true, form: "percent" },
  ],
  select: "top-1",
} as const satisfies AuditEvent;

const epoch: EpochEvent = {
  type: "epoch",
  epoch: 1,
  step: 10,
  trainLoss: 1.25,
  top1: 0.915,
  top5: 0.9987,
  validationLoss: 0.2501,
  metrics: { "top-1": 0.915, "top-5": 0.9987, loss: 0.2501 },
  imagesPerSecond: 800,
  lr: 0.05,
  best: true,
  waitSeconds: 0,
  badPictures: 0,
  seconds: 75,
};

const done: TrainEvent = {
  type: "done",
  run: "runs/a",
  top1: 0.9,
  top5: 0.99,
  validationLoss: 0.3,
  epoch: 10,
  metrics: { "top-1": 0.9, "top-5": 0.99, loss: 0.3, "macro-f1": 0.8 },
  bestTop1: 0.915,
  best: { epoch: 7, value: 0.915 },
  seconds: 3725,
  skippedSteps: 2,
};

test("--json: every event is one line, as it is", () => {
  const screen = new Screen();
  const progress = createProgress(screen, { json: true });
  const events: TrainEvent[] = [audit, stepEvent(1), epoch, done, { type: "error", message: "two\nlines" }];
  for (const event of events) progress.show(event);
  progress.close();
  const lines = screen.text.split("\n");
  assert.equal(lines.pop(), "");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    events,
  );
});

test("the line of the model says what the fast engine leaves to libtorch, and that others want the cores", () => {
  const screen = new Screen();
  const shared = () => "other programs keep 1.3 of 2 cores busy";
  const progress = createProgress(screen, { json: false, shared });
  progress.show({ ...audit, engine: "fast", inLibtorch: ["elu", "permute"] } as TrainEvent);
  progress.close();
  assert.match(
    screen.text,
    /^model: .* bf16, fast engine, and libtorch for elu, permute; slower now, as other programs keep 1\.3 of 2 cores busy$/m,
  );
});

test("piped: a line per epoch and one every half minute", () => {
  const screen = new Screen();
  let seconds = 100;
  const progress = createProgress(screen, { json: false }, () => seconds);
  progress.show(audit);
  for (let step = 1; step <= 10; step++) {
    progress.show(stepEvent(step));
    seconds += 6;
  }
  progress.show(epoch);
  progress.show({ type: "checkpoint", path: "runs/a/checkpoints/last", kind: "last", epoch: 1, step: 10 });
  for (let step = 11; step <= 20; step++) {
    progress.show({ ...stepEvent(step, 1), labelLoss: Number.NaN } as TrainEvent);
    seconds += 4;
  }
  progress.show(done);
  progress.close();
  assert.deepEqual(screen.text.split("\n"), [
    "run: runs/a",
    "model: resnet18d, 11.19 M parameters, bf16, plain engine",
    "data: fashion-mnist, 60000 training and 10000 validation images",
    "schedule: 2 epochs of 10 steps of 128 images, lr up to 0.0500",
    "best epoch: the highest top-1, of equal ones the later",
    "tricks:",
    "  warmup         5 steps",
    "  no-bias-decay  off: weight decay on all",
    "epoch 1/2 step 6/10 | 812 images/s | loss 1.5000 | lr 0.0500 | 1m24s left",
    "epoch 1/2 | training loss 1.2500 | validation loss 0.2501 | top-1 91.50 % (best) | top-5 99.87 % | 800 images/s | 1m15s",
    "epoch 2/2 step 9/10 | 812 images/s | loss not finite | lr 0.0500 | 5s left | skipped steps: 1",
    "done in 1h02m: top-1 90.00 % (best 91.50 % in epoch 7), top-5 99.00 %, validation loss 0.3000 | skipped steps: 2",
    "run: runs/a",
    "",
  ]);
});

test("only what says something of the run's classes is shown, and any other metric with its title", () => {
  const screen = new Screen();
  const progress = createProgress(screen, { json: false });
  const [top1, , loss] = audit.metrics;
  const toy = { name: "toy", title: "toy metric", higherIsBetter: true, form: "number", brief: true } as const;
  progress.show({ ...audit, metrics: [top1, loss, toy] });
  progress.show({ ...epoch, metrics: { ...epoch.metrics, toy: 7.5 } });
  progress.show(done);
  assert.deepEqual(screen.text.split("\n").slice(-4, -2), [
    "epoch 1/2 | training loss 1.2500 | validation loss 0.2501 | top-1 91.50 % (best) | toy metric 7.5000 | 800 images/s | 1m15s",
    "done in 1h02m: top-1 90.00 % (best 91.50 % in epoch 7), validation loss 0.3000 | skipped steps: 2",
  ]);
});

test("lines have what decides on the best epoch, and say which that is and what it is equal to", () => {
  const screen = new Screen();
  const progress = createProgress(screen, { json: false });
  const metrics = { ...epoch.metrics, "macro-f1": 0.85 };
  progress.show({ ...audit, select: "macro-f1" });
  progress.show({ ...epoch, metrics, tiedWith: 3 });
  progress.show({ ...epoch, metrics, best: false });
  progress.show({ ...done, best: { epoch: 4, value: 0.85 } });
  progress.show({ ...audit, select: "loss" });
  progress.show({ ...epoch, metrics, best: true });
  const lines = screen.text.split("\n");
  const shown = lines.filter((line) => /^(best|epoch|done)/.test(line)).map((line) => line.replace(/ \| 800 .*$/, ""));
  const measured = "epoch 1/2 | training loss 1.2500 | validation loss 0.2501";
  assert.deepEqual(shown, [
    "best epoch: the highest macro F1, of equal ones the later",
    `${measured} | top-1 91.50 % | top-5 99.87 % | macro F1 85.00 % (best, equal to epoch 3)`,
    `${measured} | top-1 91.50 % | top-5 99.87 % | macro F1 85.00 %`,
    "done in 1h02m: top-1 90.00 %, top-5 99.00 %, validation loss 0.3000, macro F1 80.00 % (best 85.00 % in epoch 4) | skipped steps: 2",
    "best epoch: the lowest validation loss, of equal ones the later",
    `${measured} (best) | top-1 91.50 % | top-5 99.87 %`,
  ]);
});

test("piped: stopped and failed runs say so", () => {
  const screen = new Screen();
  const progress = createProgress(screen, { json: false });
  progress.show(stepEvent(1));
  progress.show({ type: "interrupted", run: "runs/a", epoch: 2, step: 15 });
  progress.show({ type: "error", message: "the loss is not finite" });
  assert.equal(
    screen.text,
    "stopped in epoch 2 after step 15; go on with: knack train --resume runs/a\nerror: the loss is not finite\n",
  );
});

// The screens below are a person's terminal, wherever the tests run.
delete process.env.CI;
process.env.TERM = "xterm";

test("terminal: a bar that is gone when lines are printed, and lets the process end", () => {
  const screen = Object.assign(new Screen(), { isTTY: true, columns: 120 });
  const progress = createProgress(screen, { json: false });
  progress.show(audit);
  progress.show(stepEvent(5));
  assert.match(screen.text, /epoch 1\/2 \|█{10}░{10}\| 50 % \| 812 images\/s \| loss 1\.5000 \| lr 0\.0500/);
  progress.show(epoch);
  const line = screen.text.split("\n").find((text) => text.includes("training loss"));
  assert.match(line ?? "", /\[0?K.*epoch 1\/2 \| training loss 1\.2500/, "the bar is erased before the epoch's line");
  progress.show(stepEvent(11));
  progress.close();
  progress.close();
});

test("durations", () => {
  const spoken = [0.4, 59.6, 754, 7260, 360_000].map(formatDuration);
  assert.deepEqual(spoken, ["0s", "1m00s", "12m34s", "2h01m", "100h00m"]);
});
