/** CutMix by hand, its draws against their distribution, and a training with it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { cutmixBatch, drawBox } from "../../src/tricks/cutmix.js";
import { inputError } from "../support/input-error.js";
import { near } from "../support/near.js";
import { BATCH, detailOf, four, left, scratchFolder, session, tiny, trainerOf } from "../support/tiny-training.js";

const at = scratchFolder("cutmix");

test("a box of each image is its partner's, and the targets are mixed by the box's share", () => {
  scope(() => {
    // Two images of one channel and 2 x 3 pixels.
    const images = Tensor.from([1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60], [2, 1, 2, 3]);
    const targets = Tensor.from([0.75, 0.25, 0, 1], [2, 2]);
    const shares = Tensor.from([1, 0, 0, 1], [2, 2]);
    const swapped = (x: Tensor) => {
      const size = x.size / 2;
      const values = x.toArray();
      return Tensor.from([...values.slice(size), ...values.slice(0, size)], x.shape);
    };
    const box = { top: 1, left: 1, height: 1, width: 2 };
    const mixed = cutmixBatch({ images, targets, shares }, box, swapped);
    assert.deepEqual(mixed.images.toArray(), [1, 2, 3, 4, 50, 60, 10, 20, 30, 40, 5, 6]);
    // r = 2 / 6: 2/3 of one's own and 1/3 of the partner's.
    const expected = [0.5, 0.5, 0.25, 0.75];
    near(mixed.targets.toArray(), expected);
    near(mixed.shares.toArray(), [2 / 3, 1 / 3, 1 / 3, 2 / 3]);
    assert.deepEqual(images.toArray().slice(0, 6), [1, 2, 3, 4, 5, 6], "the batch itself stays");

    const none = cutmixBatch({ images, targets, shares }, { top: 0, left: 2, height: 2, width: 0 }, swapped);
    assert.deepEqual(none.images.toArray(), images.toArray());
    assert.deepEqual(none.targets.toArray(), targets.toArray());
  });
});

test("boxes: sides sqrt(1 - lambda) around any pixel, cut off at the border, the same for the same seed", () => {
  const [height, width, alpha] = [40, 60, 1];
  const boxes = Array.from({ length: 4000 }, (_, seed) => drawBox(alpha, seed, height, width));
  assert.deepEqual(drawBox(alpha, 7, height, width), boxes[7]);
  for (const { top, left, height: h, width: w } of boxes) {
    assert.ok(top >= 0 && left >= 0 && h >= 0 && w >= 0 && top + h <= height && left + w <= width);
  }
  // With side s ~ sqrt(U) and a centre c ~ U, min(1, c + s/2) - max(0, c - s/2) has mean s - s^2/4; the share is the product of two such:
  // E[(s - s^2/4)^2] = E[s^2] - E[s^3]/2 + E[s^4]/16 with s^2 ~ U, = 1/2 - 1/5 + 1/48.
  const shares = boxes.map((box) => (box.height * box.width) / (height * width));
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  assert.ok(Math.abs(mean - (1 / 2 - 1 / 5 + 1 / 48)) < 0.02, `mean share ${mean}`);
  // Boxes that touch no border have the image's own proportions.
  const inner = boxes.filter(
    ({ top, left, height: h, width: w }) => top > 0 && left > 0 && top + h < height && left + w < width,
  );
  assert.ok(inner.length > 200);
  assert.ok(inner.every(({ height: h, width: w }) => Math.abs(w / width - h / height) <= 2 / height));
});

test("its line in the audit, and what it refuses", async () => {
  using trainer = trainerOf({ cutmix: {} });
  assert.equal(detailOf(trainer, "cutmix"), "every image, a box a batch of a share ~ Beta(1, 1), partner at random");
  await assert.rejects(
    session({ data: four, recipe: tiny({ cutmix: {}, accumulation: BATCH }), out: at("alone") }),
    inputError(/^cutmix was asked for and changed nothing: every part holds one image/),
  );
  assert.throws(() => tiny({ cutmix: { alpha: 0 } }), inputError(/cutmix.alpha: must be a number above 0, not 0/));
});

test("a stopped and resumed run with CutMix and mixup ends with the same bits", async () => {
  const recipe = tiny({ cutmix: {}, mixup: {}, labelSmoothing: {} });
  await session({ data: four, recipe, out: at("whole") });
  await session({ data: four, recipe, out: at("stopped") }, 6);
  await session({ data: four, resume: at("stopped") });
  assert.deepEqual(left(at("stopped")), left(at("whole")));
});
