import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRunState } from "../../src/run/run-state.js";
import { inputError } from "../support/input-error.js";

function stateWith(evaluation: object | null, best = evaluation): unknown {
  return {
    position: {
      ...{ epoch: 3, stepInEpoch: 2, lossSum: 1.5, seconds: 60 },
      best: best && { epoch: 2, evaluation: best },
      evaluation,
    },
    counters: { lossScale: 1, goodSteps: 0, skippedSteps: 0 },
    trainImages: 60_000,
  };
}

test("a state that knack 0.1.0 wrote is read", () => {
  const last = { top1: 0.9, top5: 0.99, loss: 0.3, images: 10_000 };
  const { position } = parseRunState(stateWith(last, { ...last, top1: 0.91 }), "run");
  assert.deepEqual(position.evaluation, { images: 10_000, metrics: { "top-1": 0.9, "top-5": 0.99, loss: 0.3 } });
  assert.deepEqual(position.best, {
    epoch: 2,
    evaluation: { images: 10_000, metrics: { "top-1": 0.91, "top-5": 0.99, loss: 0.3 } },
  });
  assert.equal(parseRunState(stateWith(null), "run").position.evaluation, null);
});

test("metrics that are not known, and fewer than are known, are kept as they are", () => {
  const metrics = { "top-1": 0.9, "macro-f1": 0.8, "log-odds": -3, undefinable: Number.NaN };
  const written = JSON.parse(JSON.stringify(stateWith({ images: 5, metrics })));
  const { position } = parseRunState(written, "run");
  assert.deepEqual(position.evaluation, { images: 5, metrics });
  assert.deepEqual(position.best?.evaluation, { images: 5, metrics });
});

test("a damaged state is refused in one line", () => {
  const damaged: object[] = [
    { images: 5, metrics: { loss: 1 } },
    { images: 5, metrics: { "top-1": 2 } },
    { images: 5, metrics: { "top-1": 1, other: "much" } },
    { images: -1, metrics: { "top-1": 1 } },
    { top1: 0.9, top5: 1, loss: 1, images: 5, more: 1 },
  ];
  for (const evaluation of damaged) {
    assert.throws(
      () => parseRunState(stateWith(evaluation), "run"),
      inputError(/^run: the saved state cannot be resumed: position\.[^\n]+$/),
      JSON.stringify(evaluation),
    );
  }
});
