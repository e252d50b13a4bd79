import type { Sharp } from "../pictures/sharp.js";
import { type Random, randomFor } from "../../tensor/random.js";
import type { Augmentation } from "../augment/index.js";
import type { EvaluationFormat } from "../pictures/evaluation-transform.js";
import type { InputFormat, LabelledSet, Split } from "../split.js";

/** What all else asks of a set whose images are in memory, or photographs: everything in which the kinds differ. */
export interface DataKind<Set extends LabelledSet = LabelledSet> {
  /** What a set's own `kind` says. */
  readonly tag: string;
  /** Threads that make a training run's batches where nobody says how many. */
  defaultWorkers(): number;
  /** Of so many threads those that are of use in an evaluation. */
  evaluationWorkers(workers: number): number;
  /** What an image is called; undefined where images have no names but their numbers. */
  nameOf(set: Set, index: number): string | undefined;
  /** What tells an image from others: its name and size, or its pixels. */
  identityOf(set: Set, index: number): Promise<string> | string | Uint8Array;
  /** The images' size, channels and normalisation; undefined where they have none until they are brought to some. */
  inputFormat(set: Set): InputFormat | undefined;
  /**
   * The images as a network wants them, normalised as `format` says. Photographs are brought to its size and channels as `look` says;
   * images in memory keep their own.
   */
  formatted(set: Set, format: InputFormat, look: EvaluationLook): Set & Split;
  /** How images become a network's input where nothing is random. */
  evaluation(split: Set & Split): EvaluationFormat;
  /** The images `indices` in that order, on memory of their own that threads can share. */
  select(set: Set, indices: Uint32Array): Set;
  /**
   * The same images, read from small copies in `folder`; as they were where `shouldStop` said so meanwhile.
   *
   * @throws InputError where images of this kind are not cached
   */
  cached(split: Set & Split, folder: string, shouldStop?: () => boolean): Promise<Set & Split>;
  /** An image to look at. @throws InputError where it cannot be read */
  open(set: Set, index: number): Promise<OpenImage>;
  /** @throws InputError where the images cannot be changed so */
  requireFit(split: Set & Split, augmentation: Augmentation): void;
  /** As `makeBatch` in loading/batch.ts. */
  makeBatch(
    split: Set & Split,
    how: BatchMaking,
    epoch: number,
    indices: Uint32Array,
    repeats: Uint32Array,
  ): BatchContent | Promise<BatchContent>;
}

/** How a photograph is brought to a network's size. */
export type EvaluationLook = Pick<EvaluationFormat, "resize" | "cropPct" | "interpolation" | "intensity" | "place">;

export interface OpenImage {
  /** Gives the whole image. */
  readonly pipeline: Sharp;
  /** Whether it has a data set's own few pixels, and is to be enlarged without blur. */
  readonly pixelated: boolean;
}

export interface BatchMaking {
  /** How images are changed for training; without it they are as in evaluation. */
  readonly augmentation: Augmentation | undefined;
  readonly seed: number;
}

/** A photograph that cannot be read, and why. */
export type BadPicture = readonly [name: string, reason: string];

/** The images (NHWC uint8) and labels of one batch, on buffers of their own. */
export interface BatchContent {
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly labels: Int32Array<ArrayBuffer>;
  readonly bad: readonly BadPicture[];
}

/** The stream of random numbers that belongs to an image in an epoch, and to how often it came in it before. */
export function augmentationStream(seed: number, epoch: number, index: number, repeat: number): Random {
  return repeat === 0 ? randomFor(seed, "augment", epoch, index) : randomFor(seed, "augment", epoch, index, repeat);
}
