/** Zero gamma on examples small enough to work by hand. Its effect on training is test/training/parity.test.ts's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createModel } from "../../src/models/registry.js";
import { zeroGammas } from "../../src/tricks/zero-gamma.js";

test("zero gamma: the last BN of every residual block, and no other", () => {
  using bottleneck = createModel("resnet50d_small", { classes: 10, inChannels: 3 }, { width: 4 });
  const zeroed = zeroGammas(bottleneck);
  const blocks = [3, 4, 6, 3].flatMap((count, stage) =>
    Array.from({ length: count }, (_, block) => `layer${stage + 1}.${block}.bn3.weight`),
  );
  assert.deepEqual(zeroed, blocks);
  for (const [name, parameter] of bottleneck.parameters()) {
    if (!/(bn\d|conv1\.[14]|downsample\.2)\.weight$/.test(name)) continue;
    assert.ok(
      parameter.toArray().every((gamma) => gamma === (blocks.includes(name) ? 0 : 1)),
      name,
    );
  }
  using basic = createModel("resnet18_small", { classes: 10, inChannels: 1 }, { width: 4 });
  assert.ok(zeroGammas(basic).every((name) => /^layer\d\.\d\.bn2\.weight$/.test(name)));
});
