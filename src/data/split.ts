import type { EvaluationFormat } from "./pictures/evaluation-transform.js";
import type { ImageSet, ImageShape } from "./image-set.js";
import type { PhotoSet } from "./sources/photo-set.js";

/** What turns pixels into a network's input. */
export interface InputFormat extends ImageShape {
  /** Per channel, on the 0..1 scale. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Photographs, and what they become for the network. */
export interface FormattedPhotos extends PhotoSet, InputFormat {
  /** How they are brought to that size where nothing is random. */
  readonly evaluation: EvaluationFormat;
}

/** One split as a network sees it: small images in memory, or photographs brought to one size. */
export type Split = ImageSet | FormattedPhotos;

export function isFormattedPhotos(split: Split): split is FormattedPhotos {
  return "locations" in split;
}
