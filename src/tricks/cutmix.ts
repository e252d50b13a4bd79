import { aboveZero, offOr } from "../settings/schema.js";
import { add, clone, copyInPlace, mulScalar, narrow } from "../tensor/ops.js";
import { randomFor } from "../tensor/random.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { drawLambda, permuted, touchedByMixing } from "./partners.js";
import { type TrainingBatch, trick } from "./trick.js";

/** A part of an image, in pixels. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/**
 * The box of one batch: sides sqrt(1 - lambda) of the image's, lambda ~ Beta(alpha, alpha), around a pixel that may be any; what
 * reaches over the border is cut off, so that the box's real share can be less than 1 - lambda.
 */
export function drawBox(alpha: number, seed: number, height: number, width: number): Box {
  const side = Math.sqrt(1 - drawLambda(alpha, seed));
  const random = randomFor(seed, "box");
  const along = (length: number) => {
    const half = Math.floor((length * side) / 2);
    const centre = random.integer(length);
    const start = Math.max(0, centre - half);
    return { start, size: Math.min(length, centre + half) - start };
  };
  const [rows, columns] = [along(height), along(width)];
  return { top: rows.start, left: columns.start, height: rows.size, width: columns.size };
}

/**
 * CutMix (Yun et al. 2019, arXiv 1905.04899): in a box every image shows its partner; of the targets the partner's count with the
 * box's share of the image, r = height width / (H W): y^ = (1 - r) y_i + r y_j; shares as targets.
 *
 * @param partner what gives the partners of the rows of a tensor [N, ...]
 */
export function cutmixBatch(
  { images, targets, shares }: TrainingBatch,
  box: Box,
  partner: (x: Tensor) => Tensor,
): TrainingBatch {
  return scope(() => {
    const [, , height = 1, width = 1] = images.shape;
    const inBox = (x: Tensor) => narrow(narrow(x, 2, box.top, box.height), 3, box.left, box.width);
    const part = (box.height * box.width) / (height * width);
    const cut = clone(images);
    const blend = (x: Tensor) => add(mulScalar(x, 1 - part), partner(x), part);
    if (part > 0) copyInPlace(inBox(cut), partner(inBox(images)));
    return { images: cut, targets: blend(targets), shares: blend(shares) };
  });
}

export const cutmix = trick({
  name: "cutmix",
  summary: "CutMix: a box of every image shows another one",
  group: "tricks",
  switches: [
    {
      flags: "--cutmix <alpha>",
      help: "cut a box of another image into each, its share from Beta(alpha, alpha)",
      key: "cutmix.alpha",
      reads: "number",
    },
    { flags: "--no-cutmix", help: "train on whole images", key: "cutmix", value: false },
  ],
  shape: { cutmix: offOr({ alpha: aboveZero }) },
  off: { cutmix: false },
  paper: { cutmix: { alpha: 1 } },
  start: ({ cutmix }, { recipe }) =>
    cutmix && {
      batch: (batch, { seed }) => {
        const [, , height = 1, width = 1] = batch.images.shape;
        return cutmixBatch(batch, drawBox(cutmix.alpha, seed, height, width), permuted(batch.images, seed));
      },
      touched: () => {
        const { alpha } = cutmix;
        return touchedByMixing(
          recipe,
          `every image, a box a batch of a share ~ Beta(${alpha}, ${alpha}), partner at random`,
        );
      },
    },
});
