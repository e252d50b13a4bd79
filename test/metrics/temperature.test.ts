/** The temperature is SciPy's (test/python/temperature_scaling.py), the threshold what counting gives. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loss } from "../../src/metrics/loss.js";
import { rejectionOf, rejectionScore } from "../../src/metrics/rejection.js";
import { atTemperature, temperatureOf } from "../../src/metrics/temperature.js";
import { inputError } from "../support/input-error.js";
import { repositoryRoot } from "../support/oracle.js";
import { outcomesFrom, type Rows } from "../support/outcomes.js";

interface Case {
  readonly labels: readonly number[];
  readonly logits: readonly (readonly number[])[];
  readonly temperature: number;
  readonly losses: readonly [number, number];
  readonly confidences: readonly number[];
}

const cases: Case[] = JSON.parse(readFileSync(join(repositoryRoot, "test/metrics/temperature.json"), "utf8"));

const outcomesOf = ({ labels, logits }: Pick<Case, "labels" | "logits">) =>
  outcomesFrom(labels.map((label, image) => ({ label, logits: logits[image] as number[] })));

test("the temperature is that of an optimizer which knows no derivative, of sure and of unsure networks", () => {
  for (const each of cases) {
    const outcomes = outcomesOf(each);
    const temperature = temperatureOf(outcomes);
    // Where a loss is least it is flat: values tell the place to the root of their own precision.
    assert.ok(Math.abs(temperature / each.temperature - 1) < 1e-6, `${temperature}, SciPy: ${each.temperature}`);
    const calibrated = atTemperature(outcomes, temperature);
    const [before, after] = each.losses;
    assert.ok(Math.abs(loss.value(outcomes) - before) < 1e-6);
    assert.ok(Math.abs(loss.value(calibrated) - after) < 1e-7);
    for (const [image, confidence] of each.confidences.entries()) {
      assert.ok(Math.abs((calibrated.confidences[image] as number) - confidence) < 1e-6);
    }
    assert.ok(Math.abs(temperatureOf(calibrated) - 1) < 1e-6, "calibrated once is calibrated");
  }
});

test("images count as often as their weights say", () => {
  const { labels, logits } = cases[0] as Case;
  const weights = labels.map((_, image) => image % 3);
  const repeated = weights.flatMap((weight, image) => Array<number>(weight).fill(image));
  const weighted = { ...outcomesOf({ labels, logits }), weights: Float64Array.from(weights) };
  const drawn = outcomesOf({
    labels: repeated.map((image) => labels[image] as number),
    logits: repeated.map((image) => logits[image] as number[]),
  });
  assert.ok(Math.abs(temperatureOf(weighted) / temperatureOf(drawn) - 1) < 1e-9);
});

test("images that tell no temperature are refused", () => {
  const right: Rows = [0, 1, 2].map((label) => ({ label, logits: [0, 1, 2].map((at) => (at === label ? 3 : 0)) }));
  assert.throws(() => temperatureOf(outcomesFrom(right)), inputError(/all of these images are recognised/));
  const wrong = right.map(({ logits }, label) => ({ label: (label + 1) % 3, logits }));
  assert.throws(() => temperatureOf(outcomesFrom(wrong)), inputError(/no better than chance/));
  assert.throws(
    () => temperatureOf(outcomesFrom(right, { mostScores: 2 })),
    inputError(/3 images of 3 classes are too many scores/),
  );
});

test("a threshold keeps as many images as it can of which so many are right", () => {
  // Logits of two classes: the farther apart, the surer. By sureness: right, right, wrong, right, two alike of which one is wrong, wrong.
  const rows: Rows = [
    { label: 0, logits: [9, 0] },
    { label: 1, logits: [0, 8] },
    { label: 1, logits: [7, 0] },
    { label: 0, logits: [6, 0] },
    { label: 0, logits: [2, 0] },
    { label: 1, logits: [2, 0] },
    { label: 1, logits: [1, 0] },
  ];
  const sigmoid = (difference: number) => 1 / (1 + Math.exp(-difference));
  const at = (wanted?: number) => rejectionOf(outcomesFrom(rows), "softmax", wanted);
  const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-6, `${a}, not ${b}`);
  near(at(1).threshold, (sigmoid(8) + sigmoid(7)) / 2);
  near(at(0.7).threshold, (sigmoid(6) + sigmoid(2)) / 2);
  assert.deepEqual([at(0.7).kept, at(0.7).precision], [4 / 7, 3 / 4]);
  near(at(0.66).threshold, (sigmoid(2) + sigmoid(1)) / 2); // both or none of equal ones
  near(at(0.5).threshold, sigmoid(1)); // all
  // 4 of 7 are right; with half of the mistakes gone 5.5 of 7 would be.
  assert.deepEqual([at().wanted, at().kept], [5.5 / 7, 2 / 7]);
  const late = rows.map(({ logits }, image) => ({ logits, label: image === 6 ? 0 : 1 }));
  assert.throws(
    () => rejectionOf(outcomesFrom(late), "energy", 0.99),
    inputError(/no threshold of the energy score makes 99\.00 % of what it keeps right; the best is 50\.00 %/),
  );
});

test("scores of a picture are those of an image of an evaluation", () => {
  const logits = Float32Array.from([2.5, -1, 0.25]);
  const outcomes = outcomesFrom([{ label: 0, logits: [...logits] }]);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
  assert.ok(Math.abs(rejectionScore("energy", logits) - Math.log(sum)) < 1e-12);
  assert.ok(Math.abs(rejectionScore("softmax", logits) - Math.exp(2.5) / sum) < 1e-12);
  for (const score of ["softmax", "energy"] as const) {
    assert.ok(Math.abs(rejectionOf(outcomes, score, 1).threshold - rejectionScore(score, logits)) < 1e-12);
  }
});
