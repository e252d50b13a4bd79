import { InputError } from "../base/errors.js";
import type { ImageShape, LabelledSet, Split } from "./split.js";

/** One split of a data set, decoded and in memory. `mean` and `std` are those of the TRAINING split; `std` is never 0. */
export interface ImageSet extends Split {
  /** [count, height, width, channels] uint8, on a SharedArrayBuffer so that loader workers read it without a copy. */
  readonly pixels: Uint8Array;
}

/** A data set: what to train on and what to measure on. */
export interface DataSource<Set extends LabelledSet = ImageSet> {
  readonly train: Set;
  readonly validation: Set;
  /** What is measured once, at the end of a run, where there is such a part. */
  readonly test?: Set | undefined;
  /** One line for people: what it is, how much, from where. */
  readonly description: string;
  /** How validation images were chosen: by the source itself (also where this is absent), or held out of each class. */
  readonly split?: "given" | HeldOut;
  /** Of images without names, where some of training are validated on: their numbers there. */
  readonly validationNumbers?: Uint32Array;
}

/** A choice of validation images. */
export interface HeldOut {
  /** The share of each class that is held out. */
  readonly fraction: number;
  readonly seed: number;
  /** Where it is one of so many folds: which, from 1. */
  readonly folds?: number;
  readonly fold?: number;
}

/** The images and labels of one split, as a reader of some format hands them over. */
export interface ImagesAndLabels {
  readonly pixels: Uint8Array;
  readonly labels: Int32Array;
}

/** Puts two splits of images of one shape together; both are normalised by the training split's mean and std. */
export function dataSource(
  source: { name: string; folder: string; classes: readonly string[] },
  { height, width, channels }: ImageShape,
  splits: { train: ImagesAndLabels; validation: ImagesAndLabels },
): DataSource {
  const { name, folder, classes } = source;
  const common = { height, width, channels, classes, ...channelStatistics(splits.train.pixels, channels) };
  const set = (role: "train" | "validation"): ImageSet => ({
    name: `${name} ${role}`,
    ...splits[role],
    count: splits[role].labels.length,
    ...common,
  });
  const [train, validation] = [set("train"), set("validation")];
  const description =
    `${name}: ${train.count.toLocaleString("en")} training and ${validation.count.toLocaleString("en")} validation images, ` +
    `${height}x${width}x${channels}, ${classes.length} classes, from ${folder}`;
  return { train, validation, description };
}

/**
 * The first `count` images of a set, without a copy.
 *
 * @throws InputError where the set does not hold that many
 */
export function limitSet(set: ImageSet, count: number): ImageSet {
  if (!Number.isInteger(count) || count < 1 || count > set.count) {
    throw new InputError(`cannot take ${count} images of ${set.name}: it holds ${set.count}, take 1 to ${set.count}`);
  }
  const bytes = count * set.height * set.width * set.channels;
  return { ...set, pixels: set.pixels.subarray(0, bytes), labels: set.labels.subarray(0, count), count };
}

/** Zeroed bytes that all threads can share. */
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}

/** Zeroed labels that all threads can share. */
export function sharedLabels(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
}

/** Mean and (population) standard deviation of each channel of NHWC bytes, on the scale 0..1. */
function channelStatistics(pixels: Uint8Array, channels: number): { mean: number[]; std: number[] } {
  // A histogram keeps the sums exact, and is one increment a byte.
  const histograms = Array.from({ length: channels }, () => new Float64Array(256));
  for (const [channel, histogram] of histograms.entries()) {
    for (let i = channel; i < pixels.length; i += channels) {
      const value = pixels[i] as number;
      histogram[value] = (histogram[value] as number) + 1;
    }
  }
  const perChannel = pixels.length / channels;
  const mean = histograms.map((histogram) => histogram.reduce((sum, n, value) => sum + n * value, 0) / perChannel);
  const variance = histograms.map(
    (histogram, channel) =>
      histogram.reduce((sum, n, value) => sum + n * (value - (mean[channel] as number)) ** 2, 0) / perChannel,
  );
  // A constant channel has no spread to divide by: 1 leaves it at zero after normalising.
  return { mean: mean.map((m) => m / 255), std: variance.map((v) => (v === 0 ? 1 : Math.sqrt(v) / 255)) };
}
