import { InputError } from "../base/errors.js";

/** Height, width and channels of one image. Its bytes lie in that order (HWC). */
export interface ImageShape {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
}

/** One split of a data set, decoded and in memory. */
export interface ImageSet extends ImageShape {
  /** For people: "fashion-mnist train". */
  readonly name: string;
  /** [count, height, width, channels] uint8, on a SharedArrayBuffer so that loader workers read it without a copy. */
  readonly pixels: Uint8Array;
  /** [count] class indices, on a SharedArrayBuffer. */
  readonly labels: Int32Array;
  readonly count: number;
  /** Class names; the label is the index. */
  readonly classes: readonly string[];
  /** Mean of each channel over the TRAINING split, on the scale 0..1. */
  readonly mean: readonly number[];
  /** Standard deviation of each channel over the TRAINING split, on the scale 0..1; never 0. */
  readonly std: readonly number[];
}

/** A data set: what to train on and what to measure on. */
export interface DataSource {
  readonly train: ImageSet;
  readonly validation: ImageSet;
  /** One line for people: what it is, how much, from where. */
  readonly description: string;
}

/** The images and labels of one split, as a reader of some format hands them over. */
export interface Split {
  readonly pixels: Uint8Array;
  readonly labels: Int32Array;
}

/** Puts two splits of images of one shape together; both are normalised by the training split's mean and std. */
export function dataSource(
  source: { name: string; folder: string; classes: readonly string[] },
  { height, width, channels }: ImageShape,
  splits: { train: Split; validation: Split },
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
