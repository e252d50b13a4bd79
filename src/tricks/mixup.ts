import { aboveZero, choice, offOr } from "../settings/schema.js";
import { addInPlace, flip, mulScalar, roll } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { drawLambda, permuted, touchedByMixing } from "./partners.js";
import { type TrainingBatch, trick } from "./trick.js";

export interface Mixup {
  readonly alpha: number;
  /** Who is mixed with whom: "permute" at random; "reverse" the batch, as gluon-cv and timm; "roll" by one, as torchvision. */
  readonly pairing: "permute" | "reverse" | "roll";
}

/** The random part of one batch's mixup. */
export interface MixupDraw {
  /** In [0, 1]. */
  readonly lambda: number;
  /** Seeds the permutation. */
  readonly seed: number;
}

export function drawMixup({ alpha }: Mixup, seed: number): MixupDraw {
  return { lambda: drawLambda(alpha, seed), seed };
}

/**
 * Mixup (section 5.4, equations 7 and 8): x^ = lambda x_i + (1 - lambda) x_j and y^ = lambda y_i + (1 - lambda) y_j.; shares as targets. */
export function mixupBatch(
  { images, targets, shares }: TrainingBatch,
  { pairing }: Mixup,
  { lambda, seed }: MixupDraw,
): TrainingBatch {
  return scope(() => {
    const partner = partnerOf(pairing, seed, images);
    const blend = (x: Tensor) => addInPlace(mulScalar(x, lambda), partner(x), 1 - lambda);
    return { images: blend(images), targets: blend(targets), shares: blend(shares) };
  });
}

function partnerOf(pairing: Mixup["pairing"], seed: number, images: Tensor): (x: Tensor) => Tensor {
  if (pairing === "reverse") return (x) => flip(x, [0]);
  if (pairing === "roll") return (x) => roll(x, [1], [0]);
  return permuted(images, seed);
}

export const mixup = trick({
  name: "mixup",
  section: "5.4",
  summary: "mixup: blends of two images and of their targets",
  group: "tricks",
  switches: [
    {
      flags: "--mixup <alpha>",
      help: "train on blends of two images, lambda from Beta(alpha, alpha)",
      key: "mixup.alpha",
      reads: "number",
    },
    { flags: "--no-mixup", help: "train on single images", key: "mixup", value: false },
    {
      flags: "--mixup-pairing <pairing>",
      help: "permute, reverse or roll the batch to find the other images",
      key: "mixup.pairing",
      reads: "text",
      tunes: "--mixup",
    },
  ],
  shape: { mixup: offOr({ alpha: aboveZero, pairing: choice("permute", "reverse", "roll") }) },
  off: { mixup: false },
  paper: { mixup: { alpha: 0.2, pairing: "permute" } },
  start: ({ mixup }, { recipe }) =>
    mixup && {
      batch: (batch, { seed }) => mixupBatch(batch, mixup, drawMixup(mixup, seed)),
      touched: () => {
        const { alpha, pairing } = mixup;
        const detail = `every image, lambda ~ Beta(${alpha}, ${alpha}) a batch, partner by ${pairing}`;
        return touchedByMixing(recipe, detail);
      },
    },
});
