import assert from "node:assert/strict";
import { test } from "node:test";
import { byLoss, leastInFloat } from "../../../src/onnx/quantize/left-in-float.js";

const LAYERS = Array.from({ length: 20 }, (_, i) => `layer${i}`);
const qualityOf = (error: number) => ({ score: 1 - error, agreement: 1, error });

test("as few layers stay in float as do, found in few trials", async () => {
  for (let needed = 1; needed < LAYERS.length; needed++) {
    let trials = 0;
    const trial = async (inFloat: ReadonlySet<string>) => {
      trials++;
      return qualityOf(inFloat.size >= needed ? 0 : 1);
    };
    const found = await leastInFloat(LAYERS, trial, ({ score }) => score === 1);
    assert.deepEqual([...(found?.inFloat ?? [])], LAYERS.slice(0, needed));
    assert.ok(trials <= 5, `${trials}`);
  }
  assert.equal(
    await leastInFloat(
      LAYERS,
      async () => qualityOf(1),
      ({ score }) => score === 1,
    ),
    undefined,
  );
});

test("layers come by what each alone loses, the worst first", async () => {
  const losses = { a: 0.1, b: 0.5, c: 0.3 };
  const order = await byLoss(Object.keys(losses), async (inFloat) => {
    const alone = Object.entries(losses).filter(([layer]) => !inFloat.has(layer));
    assert.equal(alone.length, 1);
    return qualityOf(alone[0]?.[1] ?? Number.NaN);
  });
  assert.deepEqual(order, ["b", "c", "a"]);
});
