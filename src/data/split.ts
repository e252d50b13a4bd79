import type { EvaluationFormat } from "./evaluation-transform.js";
import type { ImageSet } from "./image-set.js";
import type { PhotoSet } from "./photo-set.js";
import type { InputFormat } from "./prepare-images.js";

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
