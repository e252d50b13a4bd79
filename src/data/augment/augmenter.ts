import type { Shape, Values } from "../../settings/schema.js";
import type { Switch } from "../../settings/switches.js";
import type { Random } from "../../tensor/random.js";
import type { ColourChange } from "../pictures/colour.js";
import type { CropBox, PictureSize } from "../pictures/picture-shape.js";
import type { ImageShape } from "../split.js";

/** The settings that a shape describes, which nobody changes. */
export type Settings<S extends Shape> = { readonly [Key in keyof Values<S>]: Readonly<Values<S>[Key]> };

/**
 * One way in which training images are changed at random: one file here, and one line in index.ts.
 *
 * It draws what becomes of an image and notes it; the pixels are then made from what all of them noted, in as few passes as can be.
 */
export interface Augmenter<S extends Shape = Shape> {
  /** Its keys of the recipe's `augmentation`, and their schemas. */
  readonly settings: S;
  /** The settings of the baseline. */
  readonly defaults: Values<S>;
  readonly switches: readonly Switch[];
  /** Draws what becomes of a photograph of this size; absent where it leaves photographs alone. */
  photograph?(change: PhotoChange, settings: Settings<S>, random: Random, picture: PhotoShape): void;
  /** Draws what becomes of a small image; absent where it leaves them alone. */
  smallImage?(change: ImageChange, settings: Settings<S>, random: Random): void;
  /** @throws InputError where small images of this shape cannot be changed so */
  requireFit?(settings: Settings<S>, shape: ImageShape): void;
}

export interface PhotoShape extends PictureSize {
  /** Width / height of a part that is of the right shape: the network's where what sticks out is cut off, else the picture's own. Default: 1. */
  readonly aspect?: number;
}

/** What becomes of a photograph, in this order. */
export interface PhotoChange {
  /** The part that is brought to the network's size. */
  crop: CropBox;
  /** Left to right. */
  mirrored: boolean;
  colours: ColourChange;
  /** What is done to the finished pixels besides. */
  readonly further?: PixelChange[];
}

/** What becomes of a small image, in this order. */
export interface ImageChange {
  /** How far below and right of the image's own corner the window lies that is cut out, over zeros. */
  down: number;
  right: number;
  /** Left to right. */
  mirrored: boolean;
  /** What is done to the finished pixels besides. */
  readonly further: PixelChange[];
}

/** Changes finished pixels, [height, width, channels] uint8, in place. */
export type PixelChange = (pixels: Uint8Array, shape: ImageShape) => void;
