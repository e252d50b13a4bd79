/** No bias decay on examples small enough to work by hand. Its effect on training is test/training/parity.test.ts's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createModel } from "../../src/models/registry.js";
import { decayGroups } from "../support/decay-groups.js";

test("no bias decay: exactly the weights of convolutions and of the fully connected layer decay", () => {
  using model = createModel("resnet50d", { classes: 10, inChannels: 3 }, { width: 4 });
  const { decayed, undecayed } = decayGroups(model);
  const names = Array.from(model.parameters(), ([name]) => name);
  const shapes = new Map(Array.from(model.parameters(), ([name, parameter]) => [name, parameter.shape.length]));
  // timm's rule, which gives the same set for these networks: one-dimensional parameters do not decay.
  assert.deepEqual(
    [...decayed.keys()],
    names.filter((name) => shapes.get(name) !== 1),
  );
  assert.deepEqual(
    [...undecayed.keys()],
    names.filter((name) => shapes.get(name) === 1),
  );
  assert.ok(undecayed.has("fc.bias") && decayed.has("fc.weight") && undecayed.has("layer1.0.downsample.2.weight"));
});
