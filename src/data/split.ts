/** Height, width and channels of one image. Its bytes lie in that order (HWC). */
export interface ImageShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** What turns pixels into a network's input. */
export interface InputFormat extends ImageShape {
  /** Per channel, on the 0..1 scale. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** One split of a data set: how many images, and what they show. Where the images are is for their kind to know (kinds/kinds.ts). */
export interface LabelledSet {
  /** For people: "fashion-mnist train". */
  readonly name: string;
  readonly count: number;
  /** [count] class indices, on a SharedArrayBuffer. */
  readonly labels: Int32Array;
  /** Class names; the label is the index. */
  readonly classes: readonly string[];
}

/** One split as a network sees it: images of one size. Plain data, which goes to other threads as it is. */
export interface Split extends LabelledSet, InputFormat {}
