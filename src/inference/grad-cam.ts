import { GlobalAvgPool2d } from "../nn/layers/pooling.js";
import type { Module } from "../nn/module.js";
import { InputError } from "../base/errors.js";
import { backward, gradientOf } from "../tensor/autograd.js";
import { detach, gather, mean, mul, requireGradient, sum, toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";

/** Where something is in a picture: numbers by rows. */
export interface Heat {
  readonly height: number;
  readonly width: number;
  readonly values: Float32Array;
}

/** What a network says of a picture, and where that comes from. */
export interface Explained {
  readonly logits: Float32Array;
  /** The class that is explained. */
  readonly label: number;
  /** As small as the features are, and as large as they come. */
  readonly heat: Heat;
}

/** Keeps what is divided by from being nothing. */
const TINY = 1e-7;

/**
 * Why a network takes pictures for a class: Selvaraju et al., Grad-CAM (ICCV 2017), equations 1 and 2, of the last features before they are averaged over
 * the picture:
 *
 *     alpha_k = mean over places of d logit / d A_k,   heat = max(0, sum over k of alpha_k A_k)
 *
 * @param model in evaluation mode; its gradients are changed
 * @param images [N, C, H, W]
 * @param labelOf the class that each is explained for. Default: the one it is taken for
 * @throws InputError where the network does not average over the picture
 */
export function gradCam(model: Module, images: Tensor, labelOf?: (image: number) => number): Explained[] {
  return scope(() => {
    const { logits, features } = withFeatures(model, images);
    const [count = 0, classes = 0] = logits.shape;
    const all = Float32Array.from(toDType(logits, "float32").toArray());
    const rows = Array.from({ length: count }, (_, image) => all.slice(image * classes, (image + 1) * classes));
    const labels = rows.map((row, image) => labelOf?.(image) ?? row.indexOf(Math.max(...row)));
    const chosen = toDType(Tensor.from(Int32Array.from(labels), [count, 1]), "int64");
    backward(sum(gather(logits, 1, chosen), [0, 1]));
    const gradient = gradientOf(features);
    if (gradient === null) throw new Error("the features have no gradient");
    const weighted = detach(sum(mul(mean(gradient, [2, 3], true), features), [1]));
    const [, height = 0, width = 0] = weighted.shape;
    const heats = Float32Array.from(weighted.toArray(), (value) => Math.max(0, value));
    return rows.map((row, image) => ({
      logits: row,
      label: labels[image] as number,
      heat: { height, width, values: heats.slice(image * height * width, (image + 1) * height * width) },
    }));
  });
}

/** The logits, and the features that the last average over the picture was of: a leaf of the gradient, so that nothing before it takes time. */
function withFeatures(model: Module, images: Tensor): { logits: Tensor; features: Tensor } {
  const pools = [...model.modules()].flatMap(([, layer]) => (layer instanceof GlobalAvgPool2d ? [layer] : []));
  let features: Tensor | undefined;
  try {
    for (const pool of pools) {
      pool.forward = (input) => {
        features = requireGradient(detach(input), true);
        return GlobalAvgPool2d.prototype.forward.call(pool, features);
      };
    }
    const logits = model.forward(images);
    if (features === undefined) {
      throw new InputError(
        "this network does not average over the picture at its end, and so has no last features to look at",
      );
    }
    return { logits, features };
  } finally {
    for (const pool of pools) Reflect.deleteProperty(pool, "forward");
  }
}

/** From 0 to 1, and as large as the picture: bilinear between the middles of places, as OpenCV resizes. */
export function enlarged({ height, width, values }: Heat, toHeight: number, toWidth: number): Heat {
  const small = fromZeroToOne(values);
  const rows = places(height, toHeight);
  const columns = places(width, toWidth);
  const large = new Float32Array(toHeight * toWidth);
  const at = (row: number, column: number) => small[row * width + column] as number;
  for (const [y, [top, bottom, down]] of rows.entries()) {
    for (const [x, [left, right, across]] of columns.entries()) {
      const above = at(top, left) * (1 - across) + at(top, right) * across;
      const below = at(bottom, left) * (1 - across) + at(bottom, right) * across;
      large[y * toWidth + x] = above * (1 - down) + below * down;
    }
  }
  return { height: toHeight, width: toWidth, values: fromZeroToOne(large) };
}

function fromZeroToOne(values: Float32Array): Float32Array {
  const least = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return values.map((value) => (value - least) / (TINY + most - least));
}

/** For each place of the larger side the two of the smaller one that it is between, and how far it is from the first. */
function places(from: number, to: number): [number, number, number][] {
  return Array.from({ length: to }, (_, place) => {
    const middle = Math.min(from - 1, Math.max(0, ((place + 0.5) * from) / to - 0.5));
    const first = Math.floor(middle);
    return [first, Math.min(from - 1, first + 1), middle - first];
  });
}
